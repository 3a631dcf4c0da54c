"""Bad input, by mistake or on purpose: each is refused with its code, and the next request works."""

import io
import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageFile

from tests.support.client import PREDICTIONS, assert_problem, multipart, post, upload
from tests.support.images import FORMATS, GOOD, OTHER_KINDS, drawn_slice, encoded, png_that_claims


@pytest.fixture(autouse=True)
def _healthy_after(client: FlaskClient) -> Iterator[None]:
    """After each bad request a good one gets the same probabilities as before."""
    before = post(client, GOOD).get_json()["results"][0]["probabilities"]
    yield
    assert post(client, GOOD).get_json()["results"][0]["probabilities"] == pytest.approx(before, abs=1e-6)


# A1: nothing, or something unexpected


def test_empty_file_is_refused(client: FlaskClient) -> None:
    assert_problem(post(client, b""), 400, "empty_file")


def test_form_without_file_is_refused(client: FlaskClient) -> None:
    response = client.post(PREDICTIONS, data={"model": "xception"}, content_type="multipart/form-data")
    assert_problem(response, 400, "missing_file")


def test_file_under_another_name_is_refused(client: FlaskClient) -> None:
    response = client.post(PREDICTIONS, **multipart({"file": (io.BytesIO(GOOD), "slice.png")}))
    assert_problem(response, 400, "unknown_field")


def test_multipart_without_boundary_is_refused(client: FlaskClient) -> None:
    assert_problem(client.post(PREDICTIONS, data=b"x", content_type="multipart/form-data"), 400, "missing_file")


def test_more_files_than_allowed_are_refused_with_the_number(client: FlaskClient) -> None:
    response = post(client, *[GOOD] * 4)
    assert_problem(response, 413, "too_many_files")
    assert "at most 3 files" in response.text


# A2, A3, A4: too much


@pytest.mark.parametrize("path", ["/", PREDICTIONS])
def test_upload_over_the_limit_returns_413(client: FlaskClient, path: str) -> None:
    response = client.post(path, **upload(bytes(2_000_001)))
    assert response.status_code == 413
    assert "2 MB in one request" in response.text


def test_upload_without_length_is_cut_at_the_limit(client: FlaskClient) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + bytes(3_000_000) + b"\r\n--b--"
    )
    response = client.post(
        PREDICTIONS, input_stream=io.BytesIO(body), content_type="multipart/form-data; boundary=b",
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    assert_problem(response, 413, "upload_too_large")


@pytest.mark.parametrize("path", ["/", PREDICTIONS])
def test_body_a_little_over_the_limit_is_read_to_its_end(client: FlaskClient, path: str) -> None:
    form = upload(bytes(5_000_000))
    stream = io.BytesIO(form["data"])
    response = client.post(
        path, input_stream=stream, content_type=form["content_type"], content_length=len(form["data"])
    )
    assert response.status_code == 413
    # Otherwise a client that still sends would see a reset instead of the sentence.
    assert stream.read() == b""


def test_body_of_a_thousand_parts_returns_413(client: FlaskClient) -> None:
    assert client.post(PREDICTIONS, **upload(*[b"x"] * 1001)).status_code == 413


@pytest.mark.parametrize("path", ["/", PREDICTIONS])
def test_long_text_field_returns_413(client: FlaskClient, path: str) -> None:
    response = client.post(path, **multipart({"model": "x" * 200_000}))
    assert response.status_code == 413


def test_long_urlencoded_form_returns_413(client: FlaskClient) -> None:
    assert client.post("/", data={"model": "x" * 200_000}).status_code == 413


def test_text_fields_may_be_as_long_as_werkzeug_needs_to_read_files(app: Flask) -> None:
    assert app.config["MAX_FORM_MEMORY_SIZE"] >= 65_536


@pytest.mark.parametrize("path", ["/", PREDICTIONS])
def test_large_upload_makes_no_temporary_file(client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was made")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse, raising=False)
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1000), np.uint8)
    assert post(client, encoded(noise), path=path).status_code == 200


# Requests that no form would send


@pytest.mark.parametrize(
    ("path", "allowed"), [("/", {"GET", "HEAD", "OPTIONS", "POST"}), (PREDICTIONS, {"OPTIONS", "POST"})]
)
def test_wrong_method_is_told_the_allowed_ones(client: FlaskClient, path: str, allowed: set[str]) -> None:
    response = client.delete(path)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/nothing", "/livez"])
def test_body_over_the_limit_at_an_address_that_takes_none_is_left_unread(client: FlaskClient, path: str) -> None:
    assert client.post(path, **upload(bytes(2_000_001))).status_code in {404, 405}


def test_unknown_address_does_not_blame_the_file_field(client: FlaskClient) -> None:
    response = client.get("/nothing")
    assert response.status_code == 404
    assert "<title>Error:" in response.text
    assert 'type="file"' in response.text
    assert 'aria-invalid="true"' not in response.text


# A5, A6: content against name


@pytest.mark.parametrize("path", ["/", "/cards", PREDICTIONS])
def test_upload_whose_name_is_not_utf8_is_told_so(client: FlaskClient, path: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="caf\xe9.png"\r\n\r\n'
    body = head + GOOD + b"\r\n--b--\r\n"
    response = client.post(path, data=body, content_type="multipart/form-data; boundary=b")
    assert (response.status_code, "names in UTF-8" in response.get_data(as_text=True)) == (400, True)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kind_of_file_named_png_is_refused(client: FlaskClient, kind: str) -> None:
    assert_problem(post(client, OTHER_KINDS[kind]), 415, "unsupported_format")


@pytest.mark.parametrize("picture_format", FORMATS)
def test_name_says_nothing_about_the_format(client: FlaskClient, picture_format: str) -> None:
    content = encoded(drawn_slice(), picture_format, **FORMATS[picture_format])
    right, wrong = (
        client.post(PREDICTIONS, **upload(content, name=name)).get_json()["results"][0]["probabilities"]
        for name in (f"slice.{picture_format.lower()}", "slice.xyz")
    )
    assert right == pytest.approx(wrong, abs=1e-6)


# A7: several images in one file


@pytest.mark.parametrize("picture_format", ["MPO", "WEBP", "GIF", "PNG"])
def test_only_the_first_of_several_pictures_is_read_and_that_is_said(client: FlaskClient, picture_format: str) -> None:
    first = Image.fromarray(drawn_slice()).convert("RGB")
    content = encoded(first, picture_format, save_all=True, append_images=[first.rotate(90), first.rotate(180)])
    response = post(client, content)
    assert response.status_code == 200
    assert "only the first" in response.get_json()["results"][0]["notes"][0]


# A8: claims of size


@pytest.mark.parametrize("side_px", [9_000, 12_000, 20_000])
def test_picture_that_claims_too_many_pixels_is_refused_before_decoding(client: FlaskClient, side_px: int) -> None:
    # Decoding would find it cut off: it has only a million bytes.
    assert_problem(post(client, png_that_claims(side_px)), 422, "too_many_pixels")


# A10: cut off


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("percent", [1, 20, 50, 90, 99])
def test_cut_off_picture_is_never_classified(client: FlaskClient, picture_format: str, percent: int) -> None:
    texture = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    whole = encoded(texture, picture_format, **FORMATS[picture_format])
    response = post(client, whole[: max(12, len(whole) * percent // 100)])
    assert_problem(response, 422, "unreadable_image")


def test_pillow_is_not_told_to_load_cut_off_pictures() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


# A16: kinds of pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_kind_of_pixels_gives_finite_probabilities(client: FlaskClient, mode: str) -> None:
    grey = drawn_slice()
    if mode in {"I;16", "I", "F"}:
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        picture = Image.fromarray((grey.astype(np.float64) * 257).astype(kind))
    else:
        picture = Image.fromarray(grey).convert(mode)
    assert picture.mode == mode
    (result,) = post(client, encoded(picture, "TIFF")).get_json()["results"]
    assert sum(result["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_eight_and_sixteen_bit_versions_agree(client: FlaskClient) -> None:
    grey = drawn_slice()
    deep = encoded(grey.astype(np.uint16) * 257)
    first, second = post(client, encoded(grey), deep).get_json()["results"]
    assert first["probabilities"] == pytest.approx(second["probabilities"], abs=0.01)


@pytest.mark.parametrize("orientation", [3, 6])
def test_size_of_a_turned_picture_is_told_as_it_stands_upright(client: FlaskClient, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    (result,) = post(client, encoded(np.pad(drawn_slice(), ((0, 0), (8, 8))), exif=exif)).get_json()["results"]
    turned = orientation >= 5
    assert (result["width_px"], result["height_px"]) == ((64, 80) if turned else (80, 64))


# A18: hostile names

NAMES = [
    b"../../CANARY",
    b"CANARY\x00.png",
    b"CANARY\rX-Evil: 1",
    b"CANARY" + b"x" * 4000,
    b"<img src=x onerror=CANARY>",
    b"Zebra^CANARY.jpg",
    "CANARY-\u202egnp.jpg".encode(),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [GOOD, b"not an image"], ids=["good", "bad"])
@pytest.mark.parametrize("path", ["/", PREDICTIONS])
def test_name_of_a_file_appears_nowhere(
    client: FlaskClient, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
    name: bytes, content: bytes, path: str,
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n\r\n'
    response = client.post(
        path, data=head + content + b"\r\n--b--\r\n", content_type="multipart/form-data; boundary=b"
    )  # fmt: skip
    assert response.status_code in {200, 400, 415}
    captured = capfd.readouterr()
    everything = response.text + str(response.headers) + caplog.text + captured.out + captured.err
    assert "CANARY" not in everything
