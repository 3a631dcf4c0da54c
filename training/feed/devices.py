"""Share the training of one network among the devices of one machine: Keras's data parallelism, on JAX.

Every device holds the whole network and takes an equal share of each batch; the gradients are averaged, so that the
steps are those of one device. Source: https://keras.io/guides/distribution/
"""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError


class DevicesError(TrainingError):
    """Training cannot be shared; the message says what to do."""


@contextlib.contextmanager
def shared_by_devices(distribute: bool, batch_size: int) -> Iterator[None]:
    """Keep what is built within on every device, and share each batch that is fitted among them.

    Raises:
        DevicesError: Keras does not run on JAX, there is one device only, or a batch has no equal shares.
    """
    if not distribute:
        yield
        return
    with keras.distribution.DataParallel(devices=_devices(batch_size)).scope():
        yield


def equal_shares(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Repeat the first indices at the end, so that each device gets as many: no more than there are devices.

    Within `shared_by_devices`; elsewhere the indices, int64 (n,), come back as they are.
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
