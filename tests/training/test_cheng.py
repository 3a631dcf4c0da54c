"""Cheng's collection as published, a flat folder of MATLAB files, is training data."""

from pathlib import Path

import numpy as np
import pytest

from model.card import TUMOR_PRESENCE, TUMOR_TYPE
from tests.support.formats.research import matlab
from tests.support.heads import head
from training.data.sources import Sources

WIDE = np.kron(head()[:, :, 11].T, np.ones((8, 8), np.int16)).astype(np.int16)


def write(folder: Path, name: str, label: int, patient: str) -> None:
    mask = np.zeros(WIDE.shape, np.uint8)
    mask[60:100, 50:90] = 1
    letters = np.array([[ord(letter)] for letter in patient], np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(matlab(WIDE, label=np.array([[float(label)]]), PID=letters, tumorMask=mask))


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    write(tmp_path / "cheng" / "1-766", "1.mat", 1, "100360")
    write(tmp_path / "cheng" / "1-766", "2.mat", 2, "MR040240E")
    write(tmp_path / "cheng" / "767-1532", "767.mat", 3, "100360")
    (tmp_path / "cheng" / "767-1532" / "768.mat").write_bytes(matlab(label=np.array([[9.0]])))
    return tmp_path / "cheng"


@pytest.mark.parametrize(
    ("task", "classes"),
    [(TUMOR_TYPE, ["meningioma", "glioma", "pituitary"]), (TUMOR_PRESENCE, ["tumor"] * 3)],
)
def test_files_name_their_class(collection: Path, task: str, classes: list[str]) -> None:
    found = Sources((collection,)).find(task)
    assert [picture.class_name for picture in found.pictures] == classes
    assert [picture.name for picture in found.pictures] == [
        "cheng/1-766/1.mat", "cheng/1-766/2.mat", "cheng/767-1532/767.mat",
    ]  # fmt: skip
    (problem,) = found.problems
    assert "768.mat" in problem


def test_patients_are_known_across_folders(collection: Path) -> None:
    sources = Sources((collection,))
    facts = sources.facts(sources.find(TUMOR_TYPE).pictures)
    assert [fact.patient for fact in facts if fact] == ["cheng/100360", "cheng/MR040240E", "cheng/100360"]


def test_outline_lies_where_the_lesion_is(collection: Path) -> None:
    sources = Sources((collection,))
    decoded = sources.decode(sources.find(TUMOR_TYPE).pictures, 160)
    outlines = sources.outlines_of(decoded)
    assert outlines.known.all()
    top, bottom, left, right, *_ = decoded.frames[0]
    side = max(bottom - top, right - left)
    outline = outlines[0]
    assert outline is not None
    rows = np.flatnonzero(outline.any(axis=1))
    expected = (np.array([60, 100]) - top + (side - (bottom - top)) / 2) * 160 / side
    np.testing.assert_allclose([rows[0], rows[-1] + 1], expected, atol=2)
