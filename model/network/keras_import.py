"""Import Keras without the plotting and data packages that it imports if installed; serving never needs them."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
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
    with _hidden(_NOT_NEEDED):
        return importlib.import_module("keras")


def without_tensorflow() -> contextlib.AbstractContextManager[None]:
    """Keep Keras from importing TensorFlow to look at a layer's configuration, if it computes with something else."""
    return _hidden({} if BACKEND == "tensorflow" else {"tensorflow": None})


@contextlib.contextmanager
def _hidden(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    absent = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
