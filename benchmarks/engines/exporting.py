"""Export a network by way of TensorFlow: `python -m benchmarks.engines.exporting NETWORK.keras FORMAT FILE`."""

import json
import sys
import warnings
from pathlib import Path

import keras
import numpy as np


def export(network_file: Path, export_format: str, file: Path) -> None:
    """Write a `.keras` file as "onnx" or "litert"."""
    network = keras.saving.load_model(network_file, compile=False)
    # The export needs a network that was called once.
    network(np.zeros((1, *network.input_shape[1:]), np.float32))
    aside = file.with_stem(f"{file.stem}.part")
    network.export(str(aside), format=export_format, verbose=False)
    aside.replace(file)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    export(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    print(json.dumps({}))
