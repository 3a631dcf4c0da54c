"""Start other processes: with a Keras backend of their own, and away from what this one measures."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[2]


class ChildError(Exception):
    """A process ended before it did what it was started for; the message ends with what it said."""


# The backend that this process chose for itself; and what would keep bytecode from being written, so that every start
# would compile all modules again: `make run` and the Docker image have their bytecode.
_NOT_HANDED_ON = {"KERAS_BACKEND", "PYTHONDONTWRITEBYTECODE"}


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with changes, and without what would make a server unlike a user's."""
    return {**{name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}, **changes}


def on_tensorflow(module: str, *arguments: object) -> Any:
    """Run `python -m module` on TensorFlow and give the JSON of its last line.

    Raises:
        ChildError: it did not come to an end.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=TOP, env=environment({"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ChildError(f"Expected `python -m {module}` to end well. Received:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
