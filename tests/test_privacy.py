"""Nothing of what runs here calls out or leaves traces."""

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parent.parent
CLASSIFY_WITHOUT_NETWORK = """
import socket, sys
from pathlib import Path

def refuse(*arguments):
    raise AssertionError(f"tried to connect to {arguments[1:]}")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
from model.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_classifying_connects_nowhere_and_leaves_no_file_in_the_home_folder(tiny_models: Path, tmp_path: Path) -> None:
    home, sample = tmp_path / "home", TOP / "static" / "samples" / "glioma.jpg"
    home.mkdir()
    # CI=true would silence OpenVINO's telemetry by itself.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    step = subprocess.run(
        [sys.executable, "-c", CLASSIFY_WITHOUT_NETWORK, str(sample), "--models", str(tiny_models)],
        cwd=TOP, env={**environment, "HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert step.returncode == 0, step.stderr
    assert "glioma.jpg" in step.stdout
    # Keras makes a settings file of its own; nothing else may be there.
    assert [p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()] == [".keras/keras.json"]
