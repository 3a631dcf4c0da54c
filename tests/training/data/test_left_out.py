"""Which images may be trained on."""

from pathlib import Path

from model.safe_files import sha256_of
from tests.support.training import write_picture
from training.data.decoded import decode
from training.data.folders import UNSPLIT, Picture, find_pictures
from training.data.left_out import few_per_class, without_head_cts


def test_few_images_of_a_class_are_spread_over_its_folder() -> None:
    pictures = [Picture(Path(f"{name}{i}.jpg"), f"{name}{i}", UNSPLIT, name) for name in "ba" for i in range(9)]
    # Neighbours in a folder are often slices of one patient.
    assert [p.name for p in few_per_class(pictures, 3)] == ["a0", "a3", "a6", "b0", "b3", "b6"]


def test_listed_head_ct_is_left_out_and_said(tmp_path: Path) -> None:
    for i in range(3):
        write_picture(tmp_path / "no_tumor" / f"{i}.png", i)
    decoded = decode(find_pictures([tmp_path], "tumor_type").pictures, 16)
    assert without_head_cts(decoded).problems == ()
    listed = tmp_path / "listed.sha256"
    listed.write_text(f"{sha256_of(decoded.pictures[1].path)}  elsewhere/1.jpg\n")
    kept = without_head_cts(decoded, listed)
    assert [p.path.name for p in kept.pictures] == ["0.png", "2.png"]
    assert kept.problems == ("Head CTs left out, since they are not MRI: 1.",)
