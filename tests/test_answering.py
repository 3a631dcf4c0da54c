"""A series and a volume get the same answer through every entrance."""

import base64
import csv
import io
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from model.__main__ import main
from model.answering import AnsweredVolume, Refused, SlicesDone, answers
from model.errors import Busy
from model.network.classifier import Classifier
from model.reading.many_files import read_files
from tests.support.client import multipart
from tests.support.heads import nifti, series

CLASSES = ("glioma", "meningioma", "no_tumor", "pituitary")
# Columns that all entrances fill for a volume.
SAID = (
    "kind", "format", "n_files", "n_slices", "slice", "first_slice", "last_slice", "answer", "predicted_class",
    "tumor_probability", "reason", "notes", "sha256", "model", "model_version", "model_sha256",
    *(f"p_{name}" for name in CLASSES),
)  # fmt: skip
Row = dict[str, str]


def files(kind: str) -> list[bytes]:
    return series() if kind == "series" else [nifti(compressed=True)]


@pytest.fixture
def client(classifiers: dict[str, Classifier]) -> FlaskClient:
    return create_app({}, dict(classifiers)).test_client()


def form(contents: list[bytes]) -> dict[str, object]:
    return multipart({"files": [(io.BytesIO(content), "a") for content in contents]})


def row_of_page(client: FlaskClient, contents: list[bytes]) -> Row:
    page = client.post("/", **form(contents)).get_data(as_text=True)
    (table,) = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', page)
    return next(csv.DictReader(io.StringIO(base64.b64decode(table).decode("utf-8-sig"))))


def row_of_command(folder: Path, models: Path, *arguments: str) -> Row:
    out = folder.parent / "out.csv"
    table = out if not arguments else out.parent / "out" / "results.csv"
    where = ["--csv", str(out)] if not arguments else ["--out", str(table.parent)]
    assert main([*arguments, str(folder), *where, "--models", str(models)]) == 0
    (row,) = csv.DictReader(table.read_text().splitlines())
    return row


@pytest.mark.parametrize("kind", ["volume", "series"])
def test_page_api_command_and_scan_say_the_same_of_one_volume(
    client: FlaskClient, tiny_models: Path, tmp_path: Path, kind: str
) -> None:
    pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")
    contents, folder = files(kind), tmp_path / "in"
    folder.mkdir()
    for i, content in enumerate(contents):
        (folder / f"IM{i:03}").write_bytes(content)
    page = row_of_page(client, contents)
    (record,) = client.post("/api/v1/predictions", **form(contents)).get_json()["results"]
    for arguments in ([], ["scan"]):
        row = row_of_command(folder, tiny_models, *arguments)
        assert {name: row[name] for name in SAID} == {name: page[name] for name in SAID}
    assert (record["answer"], record["n_slices"]) == (page["answer"], int(page["n_slices"]))
    for name in CLASSES:
        assert f"{record['probabilities'][name]:.6f}" == page[f"p_{name}"]


def test_slices_come_in_passes_of_the_size_asked_for_and_the_summary_keeps_no_maps(
    classifiers: dict[str, Classifier],
) -> None:
    *passes, last = answers(read_files([nifti()]), classifiers["xception"], slices_per_pass=5)
    assert isinstance(last, AnsweredVolume)
    sizes = [len(step.predictions) for step in passes if isinstance(step, SlicesDone)]
    assert sum(sizes) == last.answer.n_classified
    assert set(sizes[:-1]) == {5}
    assert all(prediction.feature_maps.size == 0 for prediction in last.answer.slices)


def test_volume_is_answered_the_same_in_passes_of_any_size(classifiers: dict[str, Classifier]) -> None:
    said = []
    for n in (1, 24):
        *_, last = answers(read_files([nifti()]), classifiers["xception"], slices_per_pass=n)
        assert isinstance(last, AnsweredVolume)
        said.append(last.answer)
    assert said[0].window == said[1].window
    assert said[0].by_class() == pytest.approx(said[1].by_class(), abs=1e-5)


def test_refused_file_stands_in_its_place(classifiers: dict[str, Classifier]) -> None:
    first, second = answers(read_files([b"no", nifti()[:400]]), classifiers["xception"])
    assert isinstance(first, Refused)
    assert isinstance(second, Refused)
    assert (first.files, second.files) == ((0,), (1,))
    assert not isinstance(first.error, Busy)
    assert first.error.code == "unsupported_format"
