"""`python -m model scan --engine ray`: same rows as the plain scan, even if actors and drivers are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.archives import command, ids_in_parts, rows_of, scan, write_slices
from tests.support.heads import series
from tests.support.samples import TOP

pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")
PATIENCE_SECONDS = 120


def needs_ray() -> None:
    pytest.importorskip("ray.data", reason="requirements/ray.txt is not installed")


def parents(pid: int) -> list[int]:
    """Return the ancestors of a process, nearest first."""
    found = []
    while pid > 1:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def actors_of(driver: int) -> list[int]:
    """Return the processes of a driver's actors."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if line.startswith(b"ray::") and b"RowsOfLines" in line and driver in parents(int(folder.name)):
            found.append(int(folder.name))
    return found


def wait_until(condition: object, process: subprocess.Popen[bytes]) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_SECONDS} s; exit code {process.poll()}")


@pytest.mark.slow
def test_killed_actor_and_killed_driver_leave_every_file_its_one_row(tmp_path: Path, tiny_models: Path) -> None:
    needs_ray()
    n_files = 4000
    write_slices(tmp_path / "in", n_files - 1)
    (tmp_path / "in" / "text.png").write_text("not an image")
    out = tmp_path / "out"
    arguments = [
        tmp_path / "in",
        "--out",
        out,
        "--engine",
        "ray",
        "--resume",
        "--batch",
        1,
        "--checkpoint-seconds",
        0.2,
    ]
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(command(*arguments, models=tiny_models), cwd=TOP, stderr=log, stdout=log)
        wait_until(lambda: ids_in_parts(out), driver)
        first, *others = actors_of(driver.pid)
        os.kill(first, signal.SIGKILL)
        n_before = len(ids_in_parts(out))
        wait_until(lambda: len(ids_in_parts(out)) > n_before + 200, driver)
        # Ray replaces it while the others continue.
        wait_until(lambda: len(set(actors_of(driver.pid)) - {first}) > len(others), driver)
        driver.kill()
        driver.wait()
    ids = ids_in_parts(out)
    assert 200 < len(ids) < n_files
    assert len(ids) == len(set(ids))
    done = scan(*arguments, models=tiny_models)
    assert done.returncode == 1, done.stderr
    assert f"{n_files} files, {len(ids)} done before" in done.stderr
    assert len(ids_in_parts(out)) == len(set(ids_in_parts(out))) == n_files
    plain = tmp_path / "plain"
    assert scan(tmp_path / "in", "--out", plain, models=tiny_models).returncode == 1
    same = ("id", "path", "sha256", "answer", "predicted_class", "error_code", "model_sha256", "version")
    for with_ray, without in zip(rows_of(out), rows_of(plain), strict=True):
        assert [with_ray[name] for name in same] == [without[name] for name in same]
        assert with_ray["p_glioma"] == pytest.approx(without["p_glioma"], abs=1e-5)


@pytest.mark.slow
def test_series_give_the_rows_of_the_plain_scan(tmp_path: Path, tiny_models: Path) -> None:
    needs_ray()
    for folder in ("a", "b", "c"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        for i, content in enumerate(series()):
            (tmp_path / "in" / folder / f"IM{i:03}").write_bytes(content)
    for engine in ("ray", "plain"):
        done = scan(tmp_path / "in", "--out", tmp_path / engine, "--engine", engine, models=tiny_models)
        assert done.returncode == 0, done.stderr
    same = ("id", "path", "n_files", "n_slices", "slice", "answer", "sha256", "unit", "unit_version", "unit_files")
    with_ray, plain = rows_of(tmp_path / "ray"), rows_of(tmp_path / "plain")
    assert [row["n_files"] for row in plain] == [22, 22, 22]
    assert [[row[name] for name in same] for row in with_ray] == [[row[name] for name in same] for row in plain]


def test_missing_ray_is_named_with_what_installs_it(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 1)
    blocked = tmp_path / "blocked"
    (blocked / "ray").mkdir(parents=True)
    (blocked / "ray" / "__init__.py").write_text("raise ImportError('blocked')")
    done = scan(
        tmp_path / "in", "--out", tmp_path / "out", "--engine", "ray", models=tiny_models, PYTHONPATH=str(blocked)
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install -r requirements/ray.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_scan_imports_ray_for_its_engine_alone() -> None:
    code = (
        "import sys, model.scan.command; print([name for name in ('ray', 'pyarrow', 'fsspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
