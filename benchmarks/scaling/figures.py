"""The file of figures: each step adds its own under its name, with the machine that it ran on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report.machine import describe_machine
from model.card import WEIGHTS_FOLDER
from model.safe_files import write_atomically


def read_figures(file: Path) -> dict[str, Any]:
    """Return all figures so far."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def add_figures(file: Path, step: str, figures: dict[str, Any]) -> None:
    """Replace a step's figures; print them."""
    figures = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), **figures}
    print(json.dumps({step: figures}, indent=1))
    write_atomically(file, (json.dumps({**read_figures(file), step: figures}, indent=1) + "\n").encode())


def machine() -> str:
    """Return the machine and its load: figures of a busy machine are worth less."""
    found = describe_machine(WEIGHTS_FOLDER)
    return (
        f"{found['processor']}, {found['n_cores']} cores, Python {found['python']}, "
        f"load {found['load_at_start']} before, network {found['networks'][0]}"
    )
