"""Train one network on several devices of one machine: Keras's data parallelism, on JAX.

Every device holds the whole network and takes an equal share of each batch. The gradients are averaged, so the steps
are the same as on one device. Source: https://keras.io/guides/distribution/
"""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError


class DevicesError(TrainingError):
    """Training cannot use several devices; the message says what to do."""


@contextlib.contextmanager
def shared_by_devices(distribute: bool, batch_size: int) -> Iterator[None]:
    """Copy networks built within the context to every device, and divide each fitted batch among the devices.

    Raises:
        DevicesError: Keras does not run on JAX, there is only one device, or a batch cannot be divided equally.
    """
    if not distribute:
        yield
        return
    with keras.distribution.DataParallel(devices=_devices(batch_size)).scope():
        yield


def equal_shares(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Repeat the first indices at the end, fewer than there are devices, to give each device the same number.

    Outside `shared_by_devices` the indices, int64 (n,), are returned unchanged.
    """
    distribution = keras.distribution.distribution()
    n_devices = distribution.device_mesh.devices.size if distribution else 1
    return np.resize(indices, -(-len(indices) // n_devices) * n_devices)


def _devices(batch_size: int) -> list[str]:
    if keras.backend.backend() != "jax":
        raise DevicesError(
            f"Expected Keras on JAX, whose distribution --distribute uses. Received {keras.backend.backend()}. "
            "Install JAX for your devices and set KERAS_BACKEND=jax."
        )
    devices: list[str] = keras.distribution.list_devices()
    if len(devices) < 2 or batch_size % len(devices):
        raise DevicesError(
            f"Expected several devices that share a batch of {batch_size} equally. Received {', '.join(devices)}. "
            "Train without --distribute, or show JAX other devices (CUDA_VISIBLE_DEVICES for GPUs, "
            "XLA_FLAGS=--xla_force_host_platform_device_count=2 to try it on a processor)."
        )
    return devices
