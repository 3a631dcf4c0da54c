"""The threshold for volumes is between those without a tumor and those with one."""

from pathlib import Path

import pytest

from model.network.classifier import Classifier
from tests.support.heads import nifti
from training.errors import DataError
from training.steps.volumes import bound_between, errors_of, judge_volumes


@pytest.mark.parametrize(
    ("healthy", "with_tumor", "bound"),
    [([0.1, 0.4], [0.6, 0.9], 0.5), ([0.1, 0.8], [0.6, 0.9], 0.85), ([0.1, 0.8], [0.6], 0.9), ([], [0.6], 0.3)],
)
def test_no_healthy_volume_reaches_the_bound(healthy: list[float], with_tumor: list[float], bound: float) -> None:
    assert bound_between(healthy, with_tumor) == pytest.approx(bound)


def test_volume_is_judged_by_the_threshold_that_the_others_set() -> None:
    # By hand: without 0.5, the threshold is (0.1 + 0.6) / 2 = 0.35; without 0.6, it is (0.5 + 0.9) / 2 = 0.7.
    assert errors_of([0.1, 0.5], [0.6, 0.9]) == (0.5, 0.5)


def test_folder_without_volumes_on_one_side_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no_tumor"):
        judge_volumes(None, tmp_path)  # type: ignore[arg-type]


def test_volumes_of_one_name_in_two_folders_both_count(tiny_models: Path, tmp_path: Path) -> None:
    names = {"no_tumor/head.nii", "glioma/head.nii", "pituitary/head.nii"}
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(nifti())
    figures = judge_volumes(Classifier.load(tiny_models / "xception.json"), tmp_path)
    assert (set(figures.healthy), set(figures.healthy) | set(figures.with_tumor)) == ({"no_tumor/head.nii"}, names)
