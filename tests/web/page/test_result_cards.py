"""The page's text for a volume: its own words, and slices counted from one."""

import base64
import csv
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from app import create_app
from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.network.classifier import Classifier, load_classifiers
from tests.support.client import post
from tests.support.heads import series
from tests.support.networks import models_that_answer
from tests.support.page_states import made_volume
from tests.support.samples import sample_bytes


@pytest.fixture
def uncertain(tiny_models: Path, tmp_path: Path) -> FlaskClient:
    models = models_that_answer(UNCERTAIN, tiny_models, tmp_path / "models")
    return create_app({}, load_classifiers(models)).test_client()


def downloads(page: str) -> tuple[list[dict[str, str]], list[dict]]:
    """Return the rows of the page's CSV, and the results of its JSON."""
    found = re.findall(r'href="data:(?:text/csv|application/json);charset=utf-8;base64,([^"]+)"', page)
    table, results = (base64.b64decode(content).decode() for content in found)
    return list(csv.DictReader(io.StringIO(table))), json.loads(results)["results"]


def test_page_table_and_json_count_the_slices_of_a_volume_from_one(client: FlaskClient, tmp_path: Path) -> None:
    page = post(client, made_volume(tmp_path, n_slices=4).read_bytes(), path="/").text
    (volume, *slices), (result,) = downloads(page)
    assert [int(row["slice"]) for row in slices] == [row["slice_index"] for row in result["slices"]]
    assert re.findall(r'name="slice-1" id="[^"]*" value="(\d+)"', page) == [row["slice"] for row in slices]
    assert slices[0]["slice"] == "1"
    assert f"along slices 1 to 4, highest around slice {result['key_slice']}" in page
    window = re.findall(r"mean over slices ([\d, ]+),", page)[0].split(", ")
    assert (window[0], window[-1]) == (volume["first_slice"], volume["last_slice"])
    assert int(volume["slice"]) == result["key_slice"]
    assert (int(volume["first_slice"]), int(volume["last_slice"])) == (result["first_slice"], result["last_slice"])


def test_chart_of_a_volume_is_the_higher_the_more_probable_a_tumor_is(client: FlaskClient, tmp_path: Path) -> None:
    page = post(client, made_volume(tmp_path, n_slices=4).read_bytes(), path="/").text
    _, (result,) = downloads(page)
    points = re.findall(r'class="chart-line" points="([^"]+)"', page)[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    # The chart is 120 units high, and counts from the top.
    assert heights == pytest.approx([120 * (1 - row["tumor_probability"]) for row in result["slices"]], abs=0.1)


def test_card_says_how_wide_and_high_the_head_is(client: FlaskClient) -> None:
    image = np.zeros((200, 160), np.uint8)
    image[50:140, 40:100] = np.random.default_rng(0).integers(80, 255, (90, 60))
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    page = post(client, file.getvalue(), path="/").text
    assert "Read as PNG, 160 × 200 pixels." in page
    assert "Cropped to the head: 60 × 90 pixels." in page


def test_card_of_a_dicom_series_says_what_its_files_say_and_which_side_is_which(
    classifiers: dict[str, Classifier],
) -> None:
    client = create_app({}, dict(classifiers)).test_client()
    packed = io.BytesIO()
    slices = series(SeriesDescription="T2 FLAIR", SliceThickness=5, MagneticFieldStrength=3, ScanningSequence="SE")
    with zipfile.ZipFile(packed, "w") as archive:
        for i, content in enumerate(slices):
            archive.writestr(f"IM{i}", content)
    page = post(client, packed.getvalue(), path="/").text
    facts = page.split("What the file says about the scan")[1].split("</ul>")[0]
    for said in ("T2 FLAIR", "spin echo", "Field strength: 3", "Slice thickness: 5", "Pixels: 1", "Between slices: 1"):
        assert said in facts
    assert re.findall(r'class="mark mark-(\w+)" aria-hidden="true">(\w)', page)[:4] == [
        ("left", "R"), ("right", "L"), ("top", "A"), ("bottom", "P"),
    ]  # fmt: skip


def test_files_of_a_zip_file_are_counted_from_one(client: FlaskClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("glioma", "no_tumor"):
            archive.writestr(f"{name}.jpg", sample_bytes(name))
    page = post(client, packed.getvalue(), path="/").text
    headings = re.findall(r'id="result-\d">(.*?)</h3>', page, re.DOTALL)
    assert ["file 1 of the zip file" in heading for heading in headings] == [True, False]
    assert ["file 2 of the zip file" in heading for heading in headings] == [False, True]


def test_uncertain_volume_is_not_told_to_try_the_neighbouring_slice(uncertain: FlaskClient, tmp_path: Path) -> None:
    image = post(uncertain, sample_bytes(), path="/").text
    volume = post(uncertain, made_volume(tmp_path, n_slices=4).read_bytes(), path="/").text
    assert "Try a neighbouring slice or another sequence" in image
    assert "Try another sequence" in volume
    assert "Try a neighbouring slice" not in volume


def test_volume_without_a_head_is_refused_in_words_for_a_volume(tiny_models: Path, tmp_path: Path) -> None:
    models = models_that_answer(NOT_BRAIN_MRI, tiny_models, tmp_path / "models")
    client = create_app({}, load_classifiers(models)).test_client()
    image = post(client, sample_bytes(), path="/").text
    volume = post(client, made_volume(tmp_path, n_slices=4).read_bytes(), path="/").text
    assert "This image is unlike the brain MRI" in image
    assert "No slice of this volume is like the brain MRI" in volume
    assert "This image is unlike the brain MRI" not in volume
