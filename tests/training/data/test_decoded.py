"""Images are decoded once."""

from pathlib import Path

import numpy as np

from tests.support.training import write_picture
from training.data.decoded import decode
from training.data.folders import find_pictures


def test_unreadable_picture_is_reported_and_the_others_keep_their_labels(tmp_path: Path) -> None:
    write_picture(tmp_path / "glioma" / "1.png", 1)
    (tmp_path / "glioma" / "2.png").write_bytes(b"not an image")
    write_picture(tmp_path / "no_tumor" / "3.png", 3)
    pictures = find_pictures([tmp_path], "tumor_type").pictures
    first, again = (decode(pictures, 16, tmp_path / "cache") for _ in range(2))
    assert len(first.problems) == 1
    assert "2.png" in first.problems[0]
    assert first.labels(("glioma", "no_tumor")).tolist() == [0, 1]
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.problems == again.problems
