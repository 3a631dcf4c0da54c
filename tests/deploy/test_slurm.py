"""deploy/slurm/scan.sbatch, run like each task of an array."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.archives import rows_of, write_slices
from tests.support.samples import TOP

pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")
SCRIPT = TOP / "deploy" / "slurm" / "scan.sbatch"


@pytest.mark.slow
def test_array_of_two_tasks_scans_an_archive_once(tmp_path: Path, tiny_models: Path) -> None:
    if not (TOP / ".venv" / "bin" / "python").exists() or not shutil.which("bash"):
        pytest.skip("the script runs in the environment that make creates, with bash")
    write_slices(tmp_path / "in", 20)
    (tmp_path / "in" / "text.png").write_text("not an image")
    for i in range(2):
        done = subprocess.run(
            ["bash", str(SCRIPT), str(tmp_path / "in"), str(tmp_path / "out"), "--models", str(tiny_models)],
            cwd=TOP, env={**os.environ, "SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_COUNT": "2"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert len(rows_of(tmp_path / "out")) == 21
