"""Import Keras alone, and have it compute in single precision on every machine.

Keras takes plotting and data packages along wherever it finds them, which serving never needs. OpenVINO computes in
bfloat16 on processors that can, without being asked: probabilities then differ by 0.001 and more between machines.
"""

import functools
import importlib
import sys
from typing import Any

_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


def import_keras() -> Any:
    """Give the keras module; the packages named above are not imported with it, and stay importable afterwards.

    On the OpenVINO backend, what is compiled from now on computes in float32.
    """
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    # None in sys.modules makes an import fail like that of a missing package, which Keras expects.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        keras = importlib.import_module("keras")
    finally:
        for name in hidden:
            del sys.modules[name]
    if keras.backend.backend() == "openvino":
        _compile_in_float32()
    return keras


def _compile_in_float32() -> None:
    """Give OpenVINO's compile_model another default: Keras calls it without a configuration and takes none itself."""
    openvino: Any = importlib.import_module("openvino")
    if not isinstance(openvino.compile_model, functools.partial):
        openvino.compile_model = functools.partial(openvino.compile_model, config={"INFERENCE_PRECISION_HINT": "f32"})


def use_threads(n_threads: int) -> None:
    """Have what is loaded from now on compute on so many threads, instead of one per core; OpenVINO's backend alone."""
    keras = import_keras()
    if keras.backend.backend() != "openvino":
        return
    openvino: Any = importlib.import_module("openvino")
    config = {**openvino.compile_model.keywords["config"], "INFERENCE_NUM_THREADS": n_threads}
    openvino.compile_model = functools.partial(openvino.compile_model.func, config=config)
