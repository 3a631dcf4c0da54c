"""The data is explored before training."""

import json
import shutil
from pathlib import Path

import pytest

from training.data.folders import find_pictures
from training.data.sources import Sources
from training.errors import DataError
from training.steps.explore import explore


@pytest.fixture(scope="module")
def explored(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("explored")
    shutil.copytree(drawn_data, top / "data")
    (top / "data" / "Training" / "yes" / "broken.png").write_bytes(b"broken")
    explore(Sources((top / "data",)), "tumor_presence", top / "out", seed=0)
    return top / "out"


def test_classes_are_counted_by_split(explored: Path) -> None:
    counts = json.loads((explored / "summary.json").read_text())["counts"]
    assert counts == {"testing": {"no_tumor": 6, "tumor": 7}, "training": {"no_tumor": 24, "tumor": 24}}


def test_identical_files_are_found(explored: Path) -> None:
    (names,) = json.loads((explored / "summary.json").read_text())["identical_files"]
    assert [Path(name).name for name in names] == ["copy.png", "0.png"]


def test_unreadable_file_is_told(explored: Path) -> None:
    (problem,) = json.loads((explored / "summary.json").read_text())["problems"]
    assert "broken.png" in problem


def test_report_opens_without_a_network(explored: Path) -> None:
    page = (explored / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page


def test_folders_that_hold_only_unreadable_files_are_refused_with_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "yes"
    folder.mkdir(parents=True)
    for i in range(7):
        (folder / f"{i}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"None of 7 files can be read\.\n  - data/yes/0\.png: (.*\n){5}.*2 more"):
        explore(Sources((tmp_path / "data",)), "tumor_presence", tmp_path / "out", seed=0)
    with pytest.raises(DataError, match="None of 7 files can be read"):
        Sources((tmp_path / "data",)).decode(find_pictures([tmp_path / "data"], "tumor_presence").pictures, 64)


def test_report_shows_names_of_files_as_text(tmp_path: Path, drawn_data: Path) -> None:
    folder = tmp_path / "data" / "yes"
    folder.mkdir(parents=True)
    shutil.copy(drawn_data / "Training" / "yes" / "1.png", folder / "good.png")
    (folder / "<b>bad.png").write_bytes(b"broken")
    explore(Sources((tmp_path / "data",)), "tumor_presence", tmp_path / "out", seed=0)
    assert "&lt;b&gt;bad.png" in (tmp_path / "out" / "report.html").read_text()
