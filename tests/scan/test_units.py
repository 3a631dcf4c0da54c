"""Files of one folder are read together: a series is one row despite shards, kills and limits."""

import json
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.sandbox.readers import Readers
from model.scan.command import main
from model.scan.listing import units
from model.scan.listing.inputs import Input, Shard
from model.scan.listing.sources import list_units
from model.scan.rows.preparing import Preparer
from tests.support.archives import command, ids_in_parts, rows_of, scan, write_slices
from tests.support.heads import dicom, head, nifti, series
from tests.support.samples import TOP

pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")


def write_series(folder: Path, uid: str = "1.2.3", stored: str = "axial", prefix: str = "IM") -> list[Path]:
    """Write a series into a folder, a file per slice."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for i, content in enumerate(series(stored, uid)):
        files.append(folder / f"{prefix}{i:03}")
        files[-1].write_bytes(content)
    return files


def run(tmp_path: Path, models: Path, *more: str) -> int:
    return main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(models), *more])


def said(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(Path(row["path"]).name, row["kind"], row["n_files"], row["n_slices"], row["error_code"]) for row in rows]


def test_folder_of_two_series_and_other_files_gives_a_row_for_each(tmp_path: Path, tiny_models: Path) -> None:
    folder = tmp_path / "in"
    write_series(folder, "1.2.3", "axial", "a")
    write_series(folder, "1.2.4", "coronal", "b")
    (folder / "c.txt").write_text("no image")
    (folder / "d").touch()
    write_slices(folder, 1)
    assert run(tmp_path, tiny_models) == 1
    rows = rows_of(tmp_path / "out")
    assert said(rows) == [
        ("0000.png", "image", 1, 1, ""), ("a000", "volume", 22, 22, ""), ("b000", "volume", 24, 24, ""),
        ("c.txt", "refused", 1, 0, "unsupported_format"), ("d", "refused", 1, 0, "empty_file"),
    ]  # fmt: skip
    assert sum(row["unit_files"] for row in rows) == sum(row["n_files"] for row in rows) == 49
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["n_files"] == 49


def test_series_in_a_zip_file_is_one_row_also_where_its_files_are_mixed_with_others(
    tmp_path: Path, tiny_models: Path
) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "study.zip", "w") as archive:
        for i, content in enumerate(series()):
            archive.writestr(f"study/IM{i}", content)
            archive.writestr(f"other{i}/readme.txt", "no image")
    assert run(tmp_path, tiny_models) == 1
    rows = [row for row in rows_of(tmp_path / "out") if not row["error_code"]]
    assert said(rows) == [("IM0", "volume", 22, 22, "")]


def test_series_of_two_orientations_gives_two_rows_with_ids_of_their_own(tmp_path: Path, tiny_models: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    both = [*series("axial", "1.2.3")[8:12], *series("coronal", "1.2.3")[8:12]]
    for i, content in enumerate(both):
        (folder / f"IM{i}").write_bytes(content)
    (folder / "frames").write_bytes(dicom(np.random.default_rng(0).integers(0, 900, (5, 40, 30), np.int16)))
    assert run(tmp_path, tiny_models) == 0
    rows = rows_of(tmp_path / "out")
    assert said(rows) == [
        ("IM0", "volume", 4, 4, ""), ("IM4", "volume", 4, 4, ""), ("frames", "volume", 1, 5, "")
    ]  # fmt: skip
    assert len({row["id"] for row in rows}) == 3


def test_file_of_two_volumes_gives_two_rows_with_ids_of_their_own_and_counts_once(
    tmp_path: Path, tiny_models: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii").write_bytes(nifti(values=np.stack([head(), head() // 2], axis=3)))
    assert run(tmp_path, tiny_models) == 0
    rows = rows_of(tmp_path / "out")
    assert said(rows) == [("a.nii", "volume", 1, 22, "")] * 2
    assert len({row["id"] for row in rows}) == 2
    assert sum(row["unit_files"] for row in rows) == 1


def test_series_in_which_a_file_changed_or_came_is_made_again_as_a_whole_and_no_other(
    tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = write_series(tmp_path / "in" / "a"), write_series(tmp_path / "in" / "b")
    second.pop().unlink()
    assert run(tmp_path, tiny_models) == 0
    before = rows_of(tmp_path / "out")
    first[5].write_bytes(first[6].read_bytes())
    capsys.readouterr()
    assert run(tmp_path, tiny_models, "--resume") == 0
    assert "43 files, 21 done before, 1 changed" in capsys.readouterr().err
    (tmp_path / "in" / "a" / "AA").write_bytes(first[0].read_bytes())
    assert run(tmp_path, tiny_models, "--resume") == 0
    assert "44 files, 21 done before, 1 changed" in capsys.readouterr().err
    after = rows_of(tmp_path / "out")
    assert [(Path(row["path"]).name, row["n_files"]) for row in after] == [("AA", 23), ("IM000", 21)]
    assert after[1] == before[1]


def test_file_that_cannot_be_read_is_a_row_and_the_rest_of_its_series_says_that_it_is_missing(
    tmp_path: Path,
) -> None:
    files = write_series(tmp_path / "in")
    (unit,) = list_units([str(tmp_path / "in")], Shard(), "")
    files[11].unlink()
    readers = Readers(1)
    refused, volume = Preparer(32, readers)(unit).parts
    readers.close()
    assert (refused.files[0].address, refused.cells["error_code"]) == (str(files[11]), "unreadable_file")
    assert len(volume.files) == 21
    assert "may be missing" in volume.cells["notes"]


def test_every_file_is_in_one_unit_of_one_shard(tmp_path: Path) -> None:
    for i in range(12):
        write_series(tmp_path / "in" / f"{i:02}" / "series")
    write_slices(tmp_path / "in", 150)
    (tmp_path / "in" / "05" / "gone").symlink_to("nowhere")
    sources = [str(tmp_path / "in")]
    whole = [file for unit in list_units(sources, Shard(), "") for file in unit.files]
    assert len({file.id for file in whole}) == len(whole) == 12 * 22 + 151
    shares = [[*list_units(sources, Shard(i, 3), "")] for i in range(3)]
    assert all(shares)
    assert sorted(file.id for share in shares for unit in share for file in unit.files) == sorted(
        file.id for file in whole
    )
    names = [unit.id for share in shares for unit in share]
    assert len(set(names)) == len(names)


def test_header_and_voxels_of_a_volume_are_a_unit_of_their_own_and_a_lone_half_is_not() -> None:
    names = ["a.hdr", "a.img", "b.img", "c.mhd", "c.zraw", "d.mgz", "e.dcm"]
    found = units.in_units([Input(f"/s/{name}", 10) for name in names], folders_return=False)
    assert [[file.address[3:] for file in unit.files] for unit in found] == [
        ["a.hdr", "a.img"], ["c.mhd", "c.zraw"], ["d.mgz"], ["e.dcm", "b.img"],
    ]  # fmt: skip


def test_sources_that_return_to_a_folder_give_units_with_different_ids(tmp_path: Path) -> None:
    first, *_ = write_series(tmp_path / "a")
    write_series(tmp_path / "b")
    sources = [str(first), str(tmp_path / "b"), str(tmp_path / "a")]
    found = [*list_units(sources, Shard(), "")]
    assert [len(unit.files) for unit in found] == [1, 22, 21]
    assert len({unit.id for unit in found}) == 3
    (pattern,) = list_units([str(tmp_path / "a" / "*")], Shard(), "")
    assert len(pattern.files) == 22


def test_shards_of_series_merge_to_the_table_of_a_single_job(tmp_path: Path, tiny_models: Path) -> None:
    for i in range(4):
        write_series(tmp_path / "in" / f"{i}")
    assert run(tmp_path, tiny_models) == 0
    for i in range(2):
        arguments = ["--out", str(tmp_path / "shards"), "--shard", f"{i}/2", "--models", str(tiny_models)]
        assert main([str(tmp_path / "in"), *arguments]) == 0
    assert (tmp_path / "shards" / "results.csv").read_bytes() == (tmp_path / "out" / "results.csv").read_bytes()
    assert said(rows_of(tmp_path / "out")) == [("IM000", "volume", 22, 22, "")] * 4


def test_series_that_the_bound_cuts_says_so_and_a_whole_one_does_not(
    tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "in")
    monkeypatch.setattr(units, "MAX_FILES", 12)
    assert run(tmp_path, tiny_models) == 0
    rows = rows_of(tmp_path / "out")
    assert [row["n_files"] for row in rows] == [12, 10]
    assert all("a part of this series may be missing" in row["notes"] for row in rows)
    monkeypatch.setattr(units, "MAX_FILES", 22)
    assert run(tmp_path, tiny_models, "--resume") == 0
    (row,) = [row for row in rows_of(tmp_path / "out") if row["n_files"] == 22]
    assert "missing" not in row["notes"]


def test_bound_holds_a_series_of_600_large_slices() -> None:
    assert units.MAX_FILES >= 600
    assert units.MAX_BYTES >= 600 * (512 * 512 * 2 + 10_000)


def test_folder_of_a_version_with_a_row_per_file_is_refused(
    tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in")
    assert run(tmp_path, tiny_models) == 0
    request = json.loads((tmp_path / "out" / "scan.json").read_text())
    del request["layout"]
    (tmp_path / "out" / "scan.json").write_text(json.dumps(request))
    assert run(tmp_path, tiny_models, "--resume") == 2
    assert "another version" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_scan_of_series_resumes_to_every_file_once(tmp_path: Path, tiny_models: Path) -> None:
    for i in range(30):
        write_series(tmp_path / "in" / f"{i:02}")
    out = tmp_path / "out"
    arguments: list[object] = [
        tmp_path / "in", "--out", out, "--resume", "--batch", 1, "--decoders", 1, "--checkpoint-seconds", 0,
    ]  # fmt: skip
    n_before = 0
    for _ in range(4):
        with (tmp_path / "log").open("a") as log:
            scanning = subprocess.Popen(command(*arguments, models=tiny_models), cwd=TOP, stdout=log, stderr=log)
            # Each time soon after a row was written: in the middle of the next series.
            while scanning.poll() is None and len(ids_in_parts(out)) == n_before:
                time.sleep(0.01)
            scanning.kill()
            scanning.wait()
        ids = ids_in_parts(out)
        assert n_before < len(ids) == len(set(ids)) < 30
        n_before = len(ids)
    done = scan(*arguments, models=tiny_models)
    assert done.returncode == 0, done.stderr
    assert len(ids_in_parts(out)) == len(set(ids_in_parts(out))) == 30
    assert said(rows_of(out)) == [("IM000", "volume", 22, 22, "")] * 30
