"""Describe the machine: what a reader needs to judge the figures, and nothing that names it."""

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from model.card import DEFAULT_MODELS, ModelCard, read_card

_PACKAGES = (
    *("keras", "openvino", "numpy", "pillow", "flask", "gunicorn", "onnxruntime", "ai-edge-litert"),
    *("tensorflow", "tensorflow-cpu", "torch", "onnx2torch", "fastapi", "uvicorn"),
)


def describe_machine(models: Path) -> dict[str, Any]:
    """Return processor, cores, memory in GB, versions, date, how busy the machine was at first, and the networks."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "n_cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "load_at_start": round(psutil.getloadavg()[0], 2),
        "networks": [describe_network(read_card(models / f"{name}.json")) for name in DEFAULT_MODELS],
    }


def describe_network(card: ModelCard) -> str:
    """Name a network with the side of its input: times grow with its pixels."""
    return f"{card.name} {card.version} at {card.input_size_px} px"


def _processor() -> str:
    """Return the model's name, with the widest vector instructions, which decide on speed more than the name."""
    table = Path("/proc/cpuinfo")
    if not table.is_file():
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in table.read_text().splitlines() if ":" in line)
    known = {name.strip(): value.strip() for name, value in fields.items()}
    flags = set(known.get("flags", "").split())
    vectors = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if name in flags]
    model = known.get("model name", platform.machine())
    return f"{model} (family {known.get('cpu family', '?')}; {', '.join(vectors)})" if vectors else model


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
