"""Import Keras alone: it takes plotting and data packages along wherever it finds them, which serving never needs."""

import importlib
import sys
from types import ModuleType
from typing import Any

from model import BACKEND

# None in sys.modules makes an import fail like that of a missing package, which Keras expects.
_NOT_NEEDED: dict[str, ModuleType | None] = {"matplotlib": None, "pandas": None, "sklearn": None}
# Keras's OpenVINO backend imports these for one window of a spectrogram, and fails without them. They are not installed
# for serving: they are large, and slow to import.
if BACKEND == "openvino":
    _NOT_NEEDED |= {name: ModuleType(name) for name in ("scipy", "scipy.signal")}


def import_keras() -> Any:
    """Return the keras module; the packages named above are not imported with it, and stay importable afterwards."""
    absent = {name: module for name, module in _NOT_NEEDED.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        return importlib.import_module("keras")
    finally:
        for name in absent:
            del sys.modules[name]
