"""A scan survives kills, crashes, a full disk and files that change meanwhile."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from model.sandbox.readers import Readers
from model.scan.command import main
from model.scan.errors import ScanError
from model.scan.listing.inputs import Input
from model.scan.listing.units import Unit
from model.scan.rows.ahead import ahead
from model.scan.rows.preparing import Prepared, Preparer
from tests.support.archives import command, ids_in_parts, rows_of, scan, write_slices
from tests.support.samples import TOP

pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")


# Crashing decoders


def prepared(folder: Path, contents: list[bytes], seconds: float = 60) -> list[Prepared]:
    """Prepare files like a scan, with readers that fail on some; return the results in the files' order."""
    items = []
    for i, content in enumerate(contents):
        (folder / f"{i:02}").write_bytes(content)
        items.append(Unit.of_one(Input(str(folder / f"{i:02}"))))
    readers = Readers(2, seconds, program="tests.support.misbehaving.clumsy_reader")
    found = list(ahead(Preparer(32, readers), items, 2, 8))
    readers.close()
    return sorted((part for unit in found for part in unit.parts), key=lambda part: part.files[0].address)


def error_of(part: Prepared) -> tuple[str, str]:
    return part.cells.get("error_code", ""), part.cells.get("error", "")


def test_files_that_end_their_decoder_say_how_and_the_others_are_decoded(tmp_path: Path) -> None:
    (good,) = write_slices(tmp_path / "in", 1)
    contents = [good.read_bytes()] * 20
    said = {3: b"crash", 7: b"abort", 8: b"exhaust", 15: b"leave"}
    for i, content in said.items():
        contents[i] = content
    found = prepared(tmp_path, contents)
    assert len(found) == 20
    errors = [error_of(one) for one in found]
    reasons = {i: sentence for i, (code, sentence) in enumerate(errors) if code == "decoder_failed"}
    for i, reason in ((3, "signal SIGSEGV"), (7, "signal SIGABRT"), (8, "more memory"), (15, "exit code 3")):
        assert reason in reasons.pop(i)
    assert reasons == {}
    assert sum(len(one.pixels) for one in found) == 16


def test_file_that_hangs_is_given_up_after_its_time(tmp_path: Path) -> None:
    (good,) = write_slices(tmp_path / "in", 1)
    first, hung, last = prepared(tmp_path, [good.read_bytes(), b"hang", good.read_bytes()], seconds=5)
    assert [error_of(one)[0] for one in (first, hung, last)] == ["", "decoder_failed", ""]
    assert "took more than 5 s" in error_of(hung)[1]


def test_file_that_ends_its_decoder_once_is_decoded_at_the_second_try(tmp_path: Path) -> None:
    (good,) = write_slices(tmp_path / "in", 1)
    readers = Readers(1, 60, program="tests.support.misbehaving.clumsy_reader")
    readers.start()
    child = readers._free[-1]
    assert child
    os.kill(child._process.pid, signal.SIGKILL)
    (part,) = Preparer(32, readers)(Unit.of_one(Input(str(good)))).parts
    assert error_of(part)[0] == ""
    readers.close()


def test_decoders_that_never_start_stop_the_scan_instead_of_blaming_files() -> None:
    readers = Readers(1, 60, program="no_such_program")
    with pytest.raises(ScanError, match="exit code 1"):
        Preparer(32, readers).require_readers()


@pytest.mark.slow
def test_file_that_needs_too_much_memory_becomes_a_row_and_the_rest_is_done(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 20)
    zeros = nibabel.Nifti1Image(np.zeros((400, 400, 400), np.int16), np.eye(4))
    nibabel.save(zeros, tmp_path / "in" / "huge.nii.gz")
    arguments = ["--decoder-memory-mb", "450", "--models", str(tiny_models)]
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), *arguments]) == 1
    failed = [row for row in rows_of(tmp_path / "out") if row["error_code"]]
    assert [(Path(row["path"]).name, row["error_code"]) for row in failed] == [("huge.nii.gz", "decoder_failed")]
    assert "more memory" in failed[0]["error"]
    assert len(rows_of(tmp_path / "out")) == 21


# Kills


def interrupted(out: Path, arguments: list[object], models: Path, seconds: float, how: signal.Signals) -> int | None:
    """Start a scan and stop it after some seconds; return its exit code, None if it had ended before."""
    with (out.parent / "scan.log").open("a") as log:
        scanning = subprocess.Popen(command(*arguments, models=models), cwd=TOP, stdout=log, stderr=log)
        try:
            scanning.wait(seconds)
        except subprocess.TimeoutExpired:
            scanning.send_signal(how)
            scanning.wait(60)
            return scanning.returncode
    assert scanning.returncode == 0
    return None


@pytest.mark.slow
def test_killed_scan_resumes_to_every_id_exactly_once(tmp_path: Path, tiny_models: Path) -> None:
    n_kills, n_files = 20, 1200
    write_slices(tmp_path / "in", n_files)
    out = tmp_path / "out"
    arguments: list[object] = [
        tmp_path / "in", "--out", out, "--resume", "--batch", 1, "--decoders", 1, "--checkpoint-seconds", 0.05,
    ]  # fmt: skip
    n_after_kills = []
    moments = random.Random(5)
    for _ in range(n_kills):
        interrupted(out, arguments, tiny_models, moments.uniform(0.3, 5), signal.SIGKILL)
        ids = ids_in_parts(out)
        assert len(ids) == len(set(ids))
        n_after_kills.append(len(ids))
    assert n_after_kills == sorted(n_after_kills)
    done = scan(*arguments, models=tiny_models)
    assert done.returncode == 0, done.stderr
    ids = ids_in_parts(out)
    assert len(ids) == len(set(ids)) == n_files
    assert {row["id"] for row in rows_of(out)} == set(ids)
    assert not list((out / "parts").glob(".*"))


@pytest.mark.slow
def test_sigterm_keeps_the_rows_that_are_ready_and_gives_exit_code_1(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 1500)
    out = tmp_path / "out"
    arguments: list[object] = [tmp_path / "in", "--out", out, "--batch", 1, "--checkpoint-seconds", 600]
    with subprocess.Popen(
        command(*arguments, models=tiny_models), cwd=TOP, stderr=subprocess.PIPE, text=True
    ) as scanning:  # fmt: skip
        assert scanning.stderr is not None
        while "scanning" not in scanning.stderr.read(100):
            pass
        time.sleep(0.5)
        scanning.terminate()
        said = scanning.stderr.read()
    assert scanning.returncode in (1, 2)
    assert "--resume" in said
    assert (scanning.returncode == 1) == (len(ids_in_parts(out)) > 0)
    assert len(ids_in_parts(out)) < 1500


@pytest.mark.slow
def test_decoding_processes_end_with_a_killed_scan(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 2000)
    arguments = [tmp_path / "in", "--out", tmp_path / "out", "--batch", 1, "--decoders", 2]
    scanning = subprocess.Popen(
        command(*arguments, models=tiny_models), cwd=TOP, stderr=subprocess.DEVNULL, start_new_session=True
    )
    children: set[str] = set()
    deadline = time.monotonic() + 60
    while len(children) < 2 and time.monotonic() < deadline:
        children = set(Path(f"/proc/{scanning.pid}/task/{scanning.pid}/children").read_text().split())
        for task in Path(f"/proc/{scanning.pid}/task").glob("*/children"):
            children |= set(task.read_text().split())
        time.sleep(0.1)
    scanning.kill()
    scanning.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


# A folder in use, or of another scan


def test_scan_that_exists_is_not_begun_anew_without_resume(
    tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_slices(tmp_path / "in", 2)
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(tiny_models)]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--resume", "--model", "vgg16"]) == 2
    assert "another scan (model: xception there, vgg16 now" in capsys.readouterr().err


def test_two_processes_never_work_on_one_shard(tmp_path: Path, tiny_models: Path) -> None:
    from model.scan.listing.inputs import Shard
    from model.scan.scan_folder import Request, ScanFolder

    write_slices(tmp_path / "in", 2)
    request = Request((str(tmp_path / "in"),), 1, "xception", "0.1", "0" * 64, ("no_tumor", "tumor"))
    with ScanFolder(tmp_path / "out", request, Shard(), may_resume=True):
        done = scan(tmp_path / "in", "--out", tmp_path / "out", "--resume", models=tiny_models)
    assert done.returncode == 2
    assert "Another process works on this part of the scan" in done.stderr


# A full disk

IN_A_SMALL_FILE_SYSTEM = """
set -e
mount -t tmpfs -o size=200k none "$OUT"
set +e
"$@"
echo "first $?"
ls "$OUT/parts" | wc -l
mount -o remount,size=20m "$OUT"
"$@" --resume
echo "second $?"
cp -r "$OUT/." "$KEPT"
"""


@pytest.mark.slow
def test_full_disk_stops_the_scan_cleanly_and_it_resumes_when_there_is_room(tmp_path: Path, tiny_models: Path) -> None:
    unshare = ["unshare", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no file system of one's own")
    write_slices(tmp_path / "in", 400)
    out, kept = tmp_path / "out", tmp_path / "kept"
    out.mkdir()
    kept.mkdir()
    arguments = command(
        tmp_path / "in", "--out", out, "--batch", 4, "--checkpoint-seconds", 0.1, models=tiny_models
    )  # fmt: skip
    done = subprocess.run(
        [*unshare, "sh", "-c", IN_A_SMALL_FILE_SYSTEM, "sh", *arguments], cwd=TOP, capture_output=True, text=True,
        env={**os.environ, "OUT": str(out), "KEPT": str(kept)}, check=False,
    )  # fmt: skip
    said = done.stdout.split()
    assert said[0] == "first", done.stderr
    assert said[1] == "1", done.stderr
    assert int(said[2]) > 0
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert said[3:] == ["second", "0"], done.stderr
    ids = ids_in_parts(kept)
    assert len(ids) == len(set(ids)) == len(rows_of(kept)) == 400


# Files that change


def test_files_that_changed_since_are_made_again_and_no_others(
    tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_slices(tmp_path / "in", 12)
    out = tmp_path / "out"
    arguments = [str(tmp_path / "in"), "--out", str(out), "--models", str(tiny_models), "--resume"]
    assert main(arguments) == 0
    before = {row["path"]: row for row in rows_of(out)}
    files[3].write_bytes(files[4].read_bytes())
    later = files[7].stat().st_mtime_ns + 1
    os.utime(files[7], ns=(later, later))
    files[9].unlink()
    write_slices(tmp_path / "in" / "new", 1, seed=9)
    capsys.readouterr()
    assert main(arguments) == 0
    assert (
        "12 files, 9 done before, 2 changed or unreadable, to be done again, 1 no longer there"
        in capsys.readouterr().err
    )
    after = {row["path"]: row for row in rows_of(out)}
    assert len(after) == len(ids_in_parts(out)) == 13
    changed = {Path(path).name for path, row in before.items() if after[path] != row}
    assert changed == {"0003.png", "0007.png"}
    assert after[str(files[3])]["sha256"] == before[str(files[4])]["sha256"]


def test_file_that_could_not_be_read_is_tried_again(tmp_path: Path, tiny_models: Path) -> None:
    (good,) = write_slices(tmp_path / "in", 1)
    (tmp_path / "in" / "late.png").symlink_to(tmp_path / "late.png")
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(tiny_models), "--resume"]
    assert main(arguments) == 1
    shutil.copy(good, tmp_path / "late.png")
    assert main(arguments) == 0
    assert [row["error_code"] for row in rows_of(tmp_path / "out")] == ["", ""]


def test_finished_scan_tells_its_counts(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 3)
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(tiny_models)]) == 0
    figures = json.loads((tmp_path / "out" / "finished" / "shard-00000-of-00001.json").read_text())
    assert (figures["n_rows"], figures["n_failed"]) == (3, 0)
