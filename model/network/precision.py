"""How exactly the engine computes: in float32, the same everywhere, or in bfloat16, faster where a processor can."""

import importlib
from typing import Any

from model import BACKEND
from model.errors import ModelFileError

FLOAT32, BFLOAT16, AUTO = "float32", "bfloat16", "auto"
PRECISIONS = (FLOAT32, BFLOAT16, AUTO)


def usable(asked: str) -> str:
    """Return FLOAT32 or BFLOAT16; AUTO is the faster one that this processor has.

    Raises:
        ModelFileError: BFLOAT16 was asked for, and the processor or the backend does not have it.
    """
    if asked == FLOAT32:
        return FLOAT32
    if _has_bfloat16():
        return BFLOAT16
    if asked == BFLOAT16:
        raise ModelFileError(
            "Expected a processor that computes in bfloat16. This one does not. Choose the precision auto or float32."
        )
    return FLOAT32


def _has_bfloat16() -> bool:
    if BACKEND != "openvino":
        return False
    openvino: Any = importlib.import_module("openvino")
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
