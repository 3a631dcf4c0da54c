"""Images that are not brain MRI are gathered from installed packages."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.training import write
from training.data.outsiders import gather_outsiders
from training.errors import DataError


@pytest.mark.slow
def test_many_kinds_are_gathered(tmp_path: Path) -> None:
    gather_outsiders(tmp_path / "outsiders", {})
    counts = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "outsiders").iterdir()}
    assert sum(counts.values()) >= 500
    assert sum(n > 0 for n in counts.values()) >= 10


def test_folder_that_is_there_stays(tmp_path: Path) -> None:
    write(tmp_path / "noise" / "own.png", Image.fromarray(np.zeros((64, 64), np.uint8)))
    gather_outsiders(tmp_path, {})
    assert [file.name for file in tmp_path.rglob("*.png")] == ["own.png"]


@pytest.mark.parametrize(("kind", "folder"), [("kittens", "."), ("icons", "nowhere")])
def test_unknown_kind_and_missing_folder_are_refused(kind: str, folder: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"Received {kind}="):
        gather_outsiders(tmp_path / "outsiders", {kind: [tmp_path / folder]})
    assert not (tmp_path / "outsiders").exists()
