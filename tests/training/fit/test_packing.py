"""A saved network is compressed."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tests.support.training import arrays_of
from training.fit.packing import compact
from training.fit.run_folder import RunFolder


def test_weights_are_rounded_to_half_precision(run: RunFolder) -> None:
    for array in arrays_of(run.network_file).values():
        np.testing.assert_array_equal(array, array.astype(np.float16).astype(array.dtype))


def test_network_of_a_run_is_packed(run: RunFolder) -> None:
    weights = arrays_of(run.network_file)
    assert run.network_file.stat().st_size < 0.65 * sum(w.nbytes for w in weights.values())


def test_packing_changes_no_weight(run: RunFolder, tmp_path: Path) -> None:
    # Keras's own form of the file: unpacked.
    file = tmp_path / "a.keras"
    with zipfile.ZipFile(run.network_file) as archive, zipfile.ZipFile(file, "w") as plain:
        for name in archive.namelist():
            plain.writestr(name, unpacked(archive.read(name)) if name.endswith(".h5") else archive.read(name))
    size, before = file.stat().st_size, arrays_of(file)
    compact(file)
    assert file.stat().st_size < 0.65 * size
    after = arrays_of(file)
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[name], array) for name, array in before.items())


def unpacked(weights: bytes) -> bytes:
    """Return an HDF5 file with the same arrays and attributes, uncompressed."""
    plain = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as old, h5py.File(plain, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            is_array = isinstance(item, h5py.Dataset)
            (new.create_dataset(name, data=item[()]) if is_array else new.create_group(name)).attrs.update(item.attrs)

        old.visititems(copy)
    return plain.getvalue()
