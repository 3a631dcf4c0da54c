"""The API as a program uses it."""

import base64
import hashlib
import io
import json

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from tests.support.client import assert_problem, multipart, sample
from tests.support.heads import nifti
from tests.support.samples import sample_bytes
from web.service import service_of

URL = "/api/v1/predictions"


def test_one_file_gives_class_probabilities_and_the_hash_of_what_was_sent(client: FlaskClient) -> None:
    answer = client.post(URL, data={"files": sample()})
    assert answer.status_code == 200
    (result,) = answer.json["results"]
    assert list(result["probabilities"]) == ["glioma", "meningioma", "no_tumor", "pituitary"]
    assert sum(result["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert result["predicted_class"] == max(result["probabilities"], key=result["probabilities"].get)
    assert result["input_sha256"] == hashlib.sha256(sample_bytes()).hexdigest()
    assert (result["index"], result["model"]) == (0, "xception")
    assert "Not a medical device" in answer.json["disclaimer"]


def test_several_files_keep_their_order_and_a_bad_one_its_place(client: FlaskClient) -> None:
    answer = client.post(URL, data={"files": [sample("glioma"), (io.BytesIO(b"no"), "x"), sample("pituitary")]})
    assert answer.status_code == 200
    results = answer.json["results"]
    assert [result["index"] for result in results] == [0, 1, 2]
    assert results[1]["error"]["code"] == "unsupported_format"
    expected = [hashlib.sha256(sample_bytes(n)).hexdigest() for n in ("glioma", "pituitary")]
    assert [results[i]["input_sha256"] for i in (0, 2)] == expected


def test_page_and_api_give_the_same_probabilities(client: FlaskClient) -> None:
    result = client.post(URL, data={"files": sample()}).json["results"][0]
    page = client.post("/", data={"files": sample()}).text
    for probability in result["probabilities"].values():
        assert f'value="{probability:.4f}"' in page


def test_model_is_chosen_by_name(client: FlaskClient) -> None:
    result = client.post(URL, data={"files": sample(), "model": "vgg16"}).json["results"][0]
    assert result["model"] == "vgg16"
    assert set(result["probabilities"]) == {"tumor", "no_tumor"}


def test_models_lists_what_can_be_chosen(client: FlaskClient) -> None:
    models = client.get("/api/v1/models").json["models"]
    assert [model["name"] for model in models] == ["xception", "vgg16"]
    assert models[0]["class_names"] == ["glioma", "meningioma", "no_tumor", "pituitary"]


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({}, 400, "missing_file"),
        ({"files": (io.BytesIO(b""), "")}, 400, "missing_file"),
        ({"files": (io.BytesIO(b""), "a.png")}, 400, "empty_file"),
        ({"files": (io.BytesIO(b"%PDF-1.7"), "a.png")}, 415, "unsupported_format"),
        ({"files": (io.BytesIO(b"BM" + bytes(20)), "a.png")}, 422, "unreadable_image"),
        ({"file": (io.BytesIO(b"x"), "a.png")}, 400, "unknown_field"),
        ({"files": [(io.BytesIO(b"x"), "a.png")] * 4}, 413, "too_many_files"),
        ({"files": (io.BytesIO(bytes(2_100_000)), "a.png")}, 413, "upload_too_large"),
        ({"heatmap": "true", "files": (io.BytesIO(b"x"), "a.png")}, 400, "unknown_parameter"),
        ({"second": "maybe", "files": (io.BytesIO(b"x"), "a.png")}, 400, "unknown_parameter"),
        ({"heat": "yes", "files": (io.BytesIO(b"x"), "a.png")}, 400, "unknown_parameter"),
        ({"model": "resnet", "files": (io.BytesIO(b"x"), "a.png")}, 400, "unknown_model"),
    ],
)
def test_bad_request_gets_a_problem_with_a_stable_code(
    client: FlaskClient, form: dict[str, object], status: int, code: str
) -> None:
    assert_problem(client.post(URL, **multipart(form)), status, code)


def test_body_that_is_not_multipart_is_told_what_was_expected(client: FlaskClient) -> None:
    answer = client.post(URL, data=b"\xff\xd8\xff", content_type="image/jpeg")
    assert_problem(answer, 400, "missing_file")
    assert "multipart/form-data" in answer.text


def test_wrong_method_and_unknown_address_are_problems(client: FlaskClient) -> None:
    assert_problem(client.get(URL), 405, "method_not_allowed")
    assert_problem(client.get("/api/v1/nowhere"), 404, "not_found")


def test_unexpected_error_gives_an_id_and_no_traceback(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    # Without any model there is no default one; a real start never reaches this state.
    service_of(client.application).classifiers.clear()
    answer = client.post(URL, data={"files": sample()})
    assert_problem(answer, 500, "internal_error")
    assert json.loads(answer.data)["request_id"] in caplog.text


def test_heatmap_that_was_asked_for_is_a_jpeg_of_the_picture_without_metadata(client: FlaskClient) -> None:
    (result,) = client.post(URL, data={"files": sample(), "heatmap": "yes"}).json["results"]
    kind, encoded = result["heatmap"].split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as drawn:
        assert drawn.size == (result["width_px"], result["height_px"])
        assert not drawn.getexif()
        assert set(drawn.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        red, _, blue = drawn.convert("RGB").split()
        assert np.abs(np.subtract(red, blue, dtype=np.int16)).max() > 30


def test_answer_holds_no_heatmap_that_nobody_asked_for(client: FlaskClient) -> None:
    (result,) = client.post(URL, data={"files": sample()}).json["results"]
    assert "heatmap" not in result


def test_both_opinions_come_in_one_answer_and_one_headline(client: FlaskClient) -> None:
    (alone,) = client.post(URL, data={"files": sample()}).json["results"]
    (both,) = client.post(URL, data={"files": sample(), "second": "yes"}).json["results"]
    assert "second_opinion" not in alone
    assert both["second_opinion"]["model"] == "vgg16"
    assert set(both["second_opinion"]["probabilities"]) == {"tumor", "no_tumor"}
    assert both["headline"]


def test_second_opinion_is_of_the_model_that_was_not_asked_first(client: FlaskClient) -> None:
    (result,) = client.post(URL, data={"files": sample(), "second": "yes", "model": "vgg16"}).json["results"]
    assert (result["model"], result["second_opinion"]["model"]) == ("vgg16", "xception")


def test_second_opinion_of_a_lone_model_is_refused(client: FlaskClient) -> None:
    del service_of(client.application).classifiers["vgg16"]
    assert_problem(client.post(URL, data={"files": sample(), "second": "yes"}), 400, "unknown_model")


def test_heatmap_of_a_volume_is_that_of_its_deciding_slice(client: FlaskClient) -> None:
    asked = {"files": (io.BytesIO(nifti()), "a.nii"), "heatmap": "yes"}
    (result,) = client.post(URL, data=asked).json["results"]
    assert result["kind"] == "volume"
    with Image.open(io.BytesIO(base64.b64decode(result["heatmap"].split(",")[1]))) as drawn:
        assert drawn.format == "JPEG"
