"""Import Keras alone, and have it compute in single precision on every machine.

Keras takes plotting and data packages along wherever it finds them, which serving never needs. OpenVINO computes in
bfloat16 on processors that can, without being asked: probabilities then differ by 0.001 and more between machines.
"""

import contextlib
import ctypes
import functools
import gc
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from model import BACKEND

_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")
# Keras's OpenVINO backend imports these for one window of a spectrogram, and fails without them. They are not installed
# for serving: they are large, and slow to import.
_FOR_SPECTROGRAMS = ("scipy", "scipy.signal")


def import_keras() -> Any:
    """Give the keras module; the packages named above are not imported with it, and stay importable afterwards.

    On the OpenVINO backend, what is compiled from now on computes in float32.
    """
    # None in sys.modules makes an import fail like that of a missing package, which Keras expects.
    hidden: dict[str, ModuleType | None] = dict.fromkeys(_NOT_NEEDED)
    if BACKEND == "openvino":
        hidden |= {name: ModuleType(name) for name in _FOR_SPECTROGRAMS}
    with _instead_of(hidden):
        keras = importlib.import_module("keras")
    if keras.backend.backend() == "openvino":
        _compile_in_float32()
    return keras


@contextlib.contextmanager
def _instead_of(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    """Let imports find these modules, unless the real ones are there already."""
    absent = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _compile_in_float32() -> None:
    """Give OpenVINO's compile_model another default: Keras calls it without a configuration and takes none itself."""
    openvino: Any = importlib.import_module("openvino")
    if not isinstance(openvino.compile_model, functools.partial):
        openvino.compile_model = functools.partial(openvino.compile_model, config={"INFERENCE_PRECISION_HINT": "f32"})


def keep_memory_together() -> None:
    """Let all threads take memory from two pools: one per thread would hold on to many times what is in use."""
    # Of the GNU C library alone; M_ARENA_MAX of <malloc.h>.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(-8, 2)


def give_back_memory() -> None:
    """Return what is no longer used to the operating system: loading a network leaves as much behind as it holds."""
    gc.collect()
    # Of the GNU C library alone.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def use_threads(n_threads: int) -> None:
    """Have what is loaded from now on compute on so many threads, instead of one per core; OpenVINO's backend alone."""
    keras = import_keras()
    if keras.backend.backend() != "openvino":
        return
    openvino: Any = importlib.import_module("openvino")
    config = {**openvino.compile_model.keywords["config"], "INFERENCE_NUM_THREADS": n_threads}
    openvino.compile_model = functools.partial(openvino.compile_model.func, config=config)
