"""The file of figures: each step adds its own under its name, with the machine that it ran on."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, read_card
from model.safe_files import write_atomically


def read_figures(file: Path) -> dict[str, Any]:
    """Give all figures so far."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def add_figures(file: Path, step: str, figures: dict[str, Any]) -> None:
    """Replace a step's figures; print them."""
    figures = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), **figures}
    print(json.dumps({step: figures}, indent=1))
    write_atomically(file, (json.dumps({**read_figures(file), step: figures}, indent=1) + "\n").encode())


def machine() -> str:
    """Say what this runs on, and how busy it is: figures of a busy machine are worth less."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    card = read_card(WEIGHTS_FOLDER / f"{DEFAULT_MODELS[0]}.json")
    network = f"{card.name} {card.version} at {card.input_size_px} px"
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}{load}, network {network}"
