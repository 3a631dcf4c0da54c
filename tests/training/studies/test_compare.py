"""Two training runs are compared on what both held out. The second one's answers are known and right."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.samples import csv_rows
from training.data.sources import Sources
from training.errors import DataError
from training.fit.run_folder import RunFolder
from training.studies.compare import Comparison, compare

Rows = list[dict[str, str]]


def write_rows(run: RunFolder, rows: Rows) -> None:
    with run.split_file.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def copied(run: RunFolder, to: Path) -> RunFolder:
    shutil.copytree(run.path, to)
    return RunFolder(to)


@pytest.fixture(scope="module")
def rows(run: RunFolder) -> Rows:
    return csv_rows(run.split_file)


@pytest.fixture(scope="module")
def other(run: RunFolder, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose held-out images lack one and have another instead."""
    other = copied(run, tmp_path_factory.mktemp("other") / "run")
    moved = {next(i for i, row in enumerate(rows) if row["validation"] == side): 1 - int(side) for side in "01"}
    changed = [row | {"validation": str(moved.get(i, row["validation"]))} for i, row in enumerate(rows)]
    write_rows(other, changed)
    right = [[row["class_name"] == name for name in ("no_tumor", "tumor")]
             for row in changed if row["validation"] == "1"]  # fmt: skip
    np.save(other.probabilities_file, np.array(right, np.float32))
    return other


@pytest.fixture(scope="module")
def one_group(other: RunFolder) -> RunFolder:
    """The same images in one group."""
    run = copied(other, other.path.parent / "one_group")
    write_rows(run, [row | {"group": "0"} for row in csv_rows(other.split_file)])
    return run


@pytest.fixture(scope="module")
def comparison(run: RunFolder, other: RunFolder, sources: Sources) -> Comparison:
    return compare(run.path, other.path, sources, other.path.parent / "out")


def test_images_that_both_held_out_count(comparison: Comparison, rows: Rows) -> None:
    assert comparison.n_pictures == sum(row["validation"] == "1" for row in rows) - 1


def test_gain_is_what_the_other_alone_reads_right(comparison: Comparison) -> None:
    wrong = comparison.n_pictures - comparison.one.n_correct
    assert comparison.other.accuracy == 1
    assert (comparison.only_one_right, comparison.only_other_right) == (0, wrong)
    assert comparison.gain == pytest.approx(wrong / comparison.n_pictures)


@pytest.mark.parametrize("turned", [False, True])
def test_groups_of_either_side_count_and_of_one_group_no_interval_is_known(
    turned: bool, other: RunFolder, one_group: RunFolder, sources: Sources, tmp_path: Path
) -> None:
    one, two = (one_group, other) if turned else (other, one_group)
    figures = compare(one.path, two.path, sources, tmp_path)
    assert (figures.n_groups, figures.gain_interval) == (1, None)


def test_folder_that_is_missing_is_asked_for_because_it_could_hold_copies(
    other: RunFolder, one_group: RunFolder, drawn_data: Path, rows: Rows, tmp_path: Path
) -> None:
    shutil.copytree(drawn_data, tmp_path / drawn_data.name)
    (tmp_path / rows[0]["name"]).unlink()
    with pytest.raises(DataError, match="--data"):
        compare(other.path, one_group.path, Sources((tmp_path / drawn_data.name,)), tmp_path / "out")


def test_runs_that_held_out_no_image_together_are_not_compared(
    run: RunFolder, rows: Rows, sources: Sources, tmp_path: Path
) -> None:
    apart = copied(run, tmp_path / "apart")
    write_rows(apart, [row | {"validation": str(1 - int(row["validation"]))} for row in rows])
    with pytest.raises(DataError, match="both held out"):
        compare(run.path, apart.path, sources, tmp_path / "out")
