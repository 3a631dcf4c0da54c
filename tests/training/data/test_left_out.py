"""Which images may be trained on."""

from pathlib import Path

from training.data.folders import UNSPLIT, Picture
from training.data.left_out import few_per_class


def test_few_images_of_a_class_are_spread_over_its_folder() -> None:
    pictures = [Picture(Path(f"{name}{i}.jpg"), f"{name}{i}", UNSPLIT, name) for name in "ba" for i in range(9)]
    # Neighbours in a folder are often slices of one patient.
    assert [p.name for p in few_per_class(pictures, 3)] == ["a0", "a3", "a6", "b0", "b3", "b6"]
