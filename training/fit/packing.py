"""Halve a saved Keras file, without loss: weights that half precision holds exactly are stored in it."""

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_WEIGHTS = "model.weights.h5"


def compact(network_file: Path) -> None:
    """Pack the weights of a `.keras` file; Keras reads it as before, into float32.

    Not compressed: unpacking would slow down the service's start. Packing a file again changes no byte of it.
    """
    with zipfile.ZipFile(network_file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[_WEIGHTS] = _packed(parts[_WEIGHTS])
    with zipfile.ZipFile(network_file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            # Of no date, unlike its name alone.
            archive.writestr(zipfile.ZipInfo(name), content)


def _packed(weights: bytes) -> bytes:
    packed = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as old, h5py.File(packed, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                new.create_dataset(name, data=_halved(item[()]))
            else:
                new.create_group(name)
            new[name].attrs.update(item.attrs)

        old.visititems(copy)
    return packed.getvalue()


def _halved(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return float32 numbers as float16 where that changes none, and others as they are."""
    if numbers.dtype != np.float32:
        return numbers
    with np.errstate(over="ignore"):
        halved = numbers.astype(np.float16)
    return halved if np.array_equal(halved, numbers) else numbers
