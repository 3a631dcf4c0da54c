"""The page as a browser without JavaScript gets it."""

import io
import re
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from model.card import DISCLAIMER
from tests.conftest import multipart

SAMPLES = Path(__file__).parent.parent / "static" / "samples"
NOT_A_PICTURE = b"hello, I am a text"


def sample(name: str = "glioma") -> tuple[io.BytesIO, str]:
    return io.BytesIO((SAMPLES / f"{name}.jpg").read_bytes()), "slice.jpg"


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_form_offers_every_model_and_every_sample(client: FlaskClient) -> None:
    page = client.get("/").text
    assert 'enctype="multipart/form-data"' in page
    assert re.findall(r'type="radio"[^>]*value="(\w+)"', page) == ["xception", "vgg16"]
    assert re.findall(r'name="sample" value="(\w+)"', page) == ["glioma", "meningioma", "pituitary", "no_tumor"]
    assert DISCLAIMER in page


@pytest.mark.parametrize(
    ("model", "classes"),
    [("xception", {"Glioma", "Meningioma", "Pituitary tumor", "No tumor"}), ("vgg16", {"Tumor", "No tumor"})],
)
def test_upload_shows_all_probabilities_two_pictures_and_the_disclaimer(
    client: FlaskClient, model: str, classes: set[str]
) -> None:
    answer = client.post("/", data={"files": sample(), "model": model})
    assert answer.status_code == 200
    result = answer.text.split('<article class="card result"')[1].split("</article>")[0]
    rows = re.findall(r'<th scope="row">([^<]+)</th>.*?class="number">([\d.]+) %', result, re.DOTALL)
    assert {label for label, _ in rows} == classes
    assert sum(float(share) for _, share in rows) == pytest.approx(100, abs=0.3)
    assert result.count('src="data:image/png;base64,') == 2
    assert rows[0][0] in text_of(result.split("</h3>")[0])
    assert DISCLAIMER in result
    assert "<title>Result: " in answer.text


def test_several_files_are_answered_in_their_order_and_a_bad_one_in_its_place(client: FlaskClient) -> None:
    files = [sample("glioma"), (io.BytesIO(NOT_A_PICTURE), "b.png"), sample("no_tumor")]
    answer = client.post("/", data={"files": files})
    assert answer.status_code == 200
    results = answer.text.split('<article class="card result"')[1:]
    assert len(results) == 3
    assert "Received a file of another kind" in results[1]
    assert all("data:image/png" in results[i] for i in (0, 2))


@pytest.mark.parametrize("name", ["glioma", "meningioma", "pituitary", "no_tumor"])
def test_sample_button_gives_a_result_with_the_chosen_model(client: FlaskClient, name: str) -> None:
    answer = client.post("/", data={"sample": name, "model": "vgg16"})
    assert answer.status_code == 200
    assert "Model vgg16" in text_of(answer.text)
    assert answer.text.count('<article class="card result"') == 1


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({}, 400, "Received none"),
        ({"files": (io.BytesIO(b""), "empty.jpg")}, 400, "empty file"),
        ({"files": (io.BytesIO(NOT_A_PICTURE), "a.jpg")}, 415, "another kind"),
        ({"files": (io.BytesIO(b"\xff\xd8\xff" + bytes(40)), "a.jpg")}, 422, "cut off or damaged"),
        ({"sample": "../../etc/passwd"}, 400, "sample among"),
        ({"model": "resnet", "sample": "glioma"}, 400, "model among xception, vgg16"),
    ],
)
def test_refusal_keeps_the_form_and_says_what_to_do(
    client: FlaskClient, form: dict[str, object], status: int, sentence: str
) -> None:
    answer = client.post("/", **multipart(form))
    assert answer.status_code == status
    assert "<title>Error: " in answer.text
    # Once in the summary that takes focus, once at the field.
    assert text_of(answer.text).count(sentence) == 2
    assert 'aria-describedby="files-hint files-error"' in answer.text
    assert 'type="file"' in answer.text


def test_refusal_keeps_the_model_that_was_chosen(client: FlaskClient) -> None:
    page = client.post("/", **multipart({"model": "vgg16"})).text
    assert re.search(r'value="vgg16"\s+checked', page)
    assert not re.search(r'value="xception"\s+checked', page)


def test_upload_over_the_limit_returns_413_and_names_the_limit(client: FlaskClient) -> None:
    answer = client.post("/", **multipart({"files": (io.BytesIO(bytes(2_100_000)), "big.png")}))
    assert answer.status_code == 413
    assert "2 MB in one request" in answer.text
    assert client.post("/", data={"files": sample()}).status_code == 200


def test_unknown_address_returns_404_with_the_form(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert 'type="file"' in answer.text


@pytest.mark.parametrize("path", ["/", "/static/main.css", "/livez", "/api/v1/models", "/nowhere"])
def test_every_answer_has_the_security_headers_and_no_cookie(client: FlaskClient, path: str) -> None:
    headers = client.get(path, buffered=True).headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in headers


def test_page_asks_nothing_of_another_server(client: FlaskClient) -> None:
    page = client.post("/", data={"sample": "glioma"}).text
    assert re.findall(r'(?:src|href|action)="((?:https?:)?//[^"]*)"', page) == []
    assert "style=" not in page
    assert "<script>" not in page


HOSTILE_NAMES = ["../../etc/passwd", "<img src=x onerror=alert(1)>.jpg", "CANARY^ZEBRA.jpg", "a" * 4000 + "CANARY.jpg"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("content", [NOT_A_PICTURE, (SAMPLES / "glioma.jpg").read_bytes()])
def test_file_name_is_never_repeated(
    client: FlaskClient, name: str, content: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/", "/api/v1/predictions"):
        answer = client.post(path, data={"files": (io.BytesIO(content), name)})
        assert "CANARY" not in answer.text
        assert "onerror" not in answer.text
        assert "passwd" not in answer.text + str(answer.headers)
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "CANARY" not in printed
    assert "passwd" not in printed


def test_upload_is_never_written_to_disk(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was opened")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    # Werkzeug would write anything above 500 kB to a temporary file.
    form = multipart({"files": (io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(1_500_000)), "a.png")})
    assert client.post("/", **form).status_code == 422
