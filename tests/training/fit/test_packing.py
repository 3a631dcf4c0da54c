"""A saved network takes half the space."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from tests.support.training import arrays_of
from training.fit.packing import compact
from training.fit.run_folder import RunFolder


def test_weights_are_rounded_to_half_precision_and_stored_in_it(run: RunFolder) -> None:
    assert {array.dtype for array in arrays_of(run.network_file).values()} == {np.dtype(np.float16)}


def test_packing_changes_no_weight(run: RunFolder, tmp_path: Path) -> None:
    file = tmp_path / "a.keras"
    # As Keras saves it.
    run.network().save(file)
    size, before = file.stat().st_size, arrays_of(file)
    compact(file)
    assert file.stat().st_size < 0.65 * size
    after = arrays_of(file)
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[name], array) for name, array in before.items())


def test_packing_again_changes_no_byte(run: RunFolder, tmp_path: Path) -> None:
    file = tmp_path / "a.keras"
    run.network().save(file)
    compact(file)
    with zipfile.ZipFile(file) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    once = file.read_bytes()
    compact(file)
    assert file.read_bytes() == once


def test_weights_that_half_precision_would_change_stay_as_they_are(tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.set_weights([np.array([[1e6], [1 / 3]], np.float32), np.zeros(1, np.float32)])
    file = tmp_path / "a.keras"
    network.save(file)
    before = arrays_of(file)
    compact(file)
    assert all(np.array_equal(before[name], array) for name, array in arrays_of(file).items())
