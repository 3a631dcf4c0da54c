"""Compress the weights in a saved Keras file, which Keras stores uncompressed."""

import io
import zipfile
from pathlib import Path

import h5py

_WEIGHTS = "model.weights.h5"


def compact(network_file: Path) -> None:
    """Compress the weights of a `.keras` file without loss; Keras reads it as before.

    Rounded weights have few different bytes at the same position of a number. HDF5's shuffle groups these bytes, and
    gzip then packs them better than the unchanged file.
    """
    with zipfile.ZipFile(network_file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[_WEIGHTS] = _packed(parts[_WEIGHTS])
    with zipfile.ZipFile(network_file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _packed(weights: bytes) -> bytes:
    packed = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as old, h5py.File(packed, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if item.size > 1 else {}
                new.create_dataset(name, data=item[()], **options)
            else:
                new.create_group(name)
            new[name].attrs.update(item.attrs)

        old.visititems(copy)
    return packed.getvalue()
