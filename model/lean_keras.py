"""Import Keras alone: it takes plotting and data packages along wherever it finds them, which serving never needs."""

import importlib
import sys
from typing import Any

_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


def import_keras() -> Any:
    """Give the keras module; the packages named above are not imported with it, and stay importable afterwards."""
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    # None in sys.modules makes an import fail like that of a missing package, which Keras expects.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        return importlib.import_module("keras")
    finally:
        for name in hidden:
            del sys.modules[name]
