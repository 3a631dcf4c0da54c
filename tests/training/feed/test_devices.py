"""Devices share the batches of one training run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.samples import TOP, csv_rows
from tests.support.training import STEP_TIMEOUT_SECONDS, environment, run_step


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["vgg16", "xception"])
def test_devices_that_share_batches_train_as_one_device_does(recipe: str, drawn_data: Path, tmp_path: Path) -> None:
    histories = {}
    for n_devices, options in ((1, []), (2, ["--distribute"])):
        step = run_step(
            "train", "--recipe", recipe, "--task", "tumor_presence", "--quick", "--weights", "random",
            "--data", drawn_data, "--out", tmp_path / str(n_devices), "--cache", tmp_path / "cache", *options,
            KERAS_BACKEND="jax", XLA_FLAGS=f"--xla_force_host_platform_device_count={n_devices}",
        )  # fmt: skip
        assert step.returncode == 0, step.stderr
        histories[n_devices] = csv_rows(tmp_path / str(n_devices) / "history.csv")
    for alone, shared in zip(histories[1], histories[2], strict=True):
        assert float(shared["loss"]) == pytest.approx(float(alone["loss"]), rel=0.01)
    metrics = json.loads((tmp_path / "2" / "validation.json").read_text())
    assert metrics["n_pictures"] == json.loads((tmp_path / "1" / "validation.json").read_text())["n_pictures"]


@pytest.mark.slow
def test_what_is_built_to_be_shared_lies_on_every_device_and_batches_have_equal_shares() -> None:
    code = """
import keras, numpy as np
from training.feed.devices import equal_shares, shared_by_devices
with shared_by_devices(True, 24):
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    print(len(layer.kernel.value.sharding.device_set), equal_shares(np.arange(7)).tolist())
print(equal_shares(np.arange(7)).tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, timeout=STEP_TIMEOUT_SECONDS, check=True,
        env=environment() | {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["2 [0, 1, 2, 3, 4, 5, 6, 0]", "[0, 1, 2, 3, 4, 5, 6]"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "n_devices", "expected"),
    [("tensorflow", 2, "KERAS_BACKEND=jax"), ("jax", 1, "several devices"), ("jax", 7, "equally")],
)
def test_devices_that_cannot_share_are_refused_with_what_to_do(
    backend: str, n_devices: int, expected: str, drawn_data: Path, tmp_path: Path
) -> None:
    step = run_step(
        "train", "--recipe", "vgg16", "--quick", "--weights", "random", "--data", drawn_data, "--distribute",
        "--out", tmp_path / "run", "--cache", tmp_path / "cache",
        KERAS_BACKEND=backend, XLA_FLAGS=f"--xla_force_host_platform_device_count={n_devices}",
    )  # fmt: skip
    assert step.returncode == 2
    assert expected in step.stderr
