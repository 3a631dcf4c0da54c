"""Slices of volumes become labelled images, as the page shows them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import zoom

from tests.support import heads
from training.__main__ import main


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {file.name: np.asarray(Image.open(file)) for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_volume_of_cubes_is_cut_in_every_plane_as_the_page_shows_it(plane: str, tmp_path: Path) -> None:
    (tmp_path / "head.nii.gz").write_bytes(heads.nifti("LIP", compressed=True))
    arguments = ["study", "slices", "--volumes", tmp_path / "head.nii.gz", "--class", "no_tumor", "--planes", plane]
    assert main([*map(str, arguments), "--every-mm", "1", "--out", str(tmp_path / "out")]) == 0
    written = pictures(tmp_path / "out" / "no_tumor")
    expected = heads.grey(heads.upright(plane))
    assert len(written) > len(expected) / 2
    for name, pixels in written.items():
        index = int(name.removesuffix(".png").split("-")[-1])
        assert name.startswith(f"head-{plane}-")
        # The range of grey levels may come from some of the slices.
        np.testing.assert_allclose(pixels, expected[index], atol=3)


def test_slices_lie_as_far_apart_as_asked(tmp_path: Path) -> None:
    (tmp_path / "head.nii").write_bytes(heads.nifti(spacing_mm=(1, 1, 2)))
    counts = []
    for every_mm in ("2", "8"):
        out = tmp_path / every_mm
        volumes = ["--volumes", str(tmp_path / "head.nii"), "--class", "glioma"]
        assert main(["study", "slices", *volumes, "--every-mm", every_mm, "--out", str(out)]) == 0
        counts.append(len(pictures(out / "glioma")))
    assert counts[1] == -(-counts[0] // 4)


def test_volumes_that_cannot_be_cut_so_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thick.nii").write_bytes(heads.nifti(spacing_mm=(1, 1, 5)))
    (tmp_path / "text.nii").write_text("not a volume")
    Image.fromarray(zoom(heads.grey(heads.head()[10]), 4)).save(tmp_path / "picture.png")
    (tmp_path / "volume").write_bytes(heads.nifti())
    (tmp_path / "again").mkdir()
    (tmp_path / "head.nii").write_bytes(heads.nifti())
    (tmp_path / "again" / "head.nii.gz").write_bytes(heads.nifti(compressed=True))
    for files, planes, reason in (
        (["thick.nii"], ["axial", "coronal"], "1 x 1 x 5 mm"),
        (["text.nii"], ["axial"], "text.nii: "),
        (["picture.png"], ["axial"], "holds something else"),
        (["nowhere.nii"], ["axial"], "cannot be read"),
        (["volume"], ["axial", "coronal"], "called .nii or .nii.gz"),
        (["head.nii", "again/head.nii.gz"], ["axial"], "two called head"),
    ):
        volumes = [str(tmp_path / name) for name in files]
        out = tmp_path / "out"
        arguments = ["--volumes", *volumes, "--class", "no_tumor", "--planes", *planes, "--out", str(out)]
        assert main(["study", "slices", *arguments]) == 2
        said = capsys.readouterr().err
        assert reason in said
        assert len(said.splitlines()) == 1
