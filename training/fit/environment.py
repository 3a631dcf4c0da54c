"""The environment of a run: program versions, machine, and the state of the repository."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "pillow", "scipy", "scikit-learn")


def describe_environment() -> dict[str, object]:
    """Return date, versions and machine as plain values for a JSON file."""
    import keras

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": current_commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "n_cores": os.cpu_count(),
        "keras_backend": keras.backend.backend(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def current_commit() -> str:
    """Return the commit of this checkout, with "+changes" if files differ from it; "unknown" outside a checkout."""
    top = Path(__file__).parents[2]
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"],
            cwd=top, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
