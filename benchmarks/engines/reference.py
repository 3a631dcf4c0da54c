"""Print the answers of Keras on TensorFlow as JSON: `python -m benchmarks.engines.reference NETWORK INPUTS`."""

import json
import sys

import keras
import numpy as np

if __name__ == "__main__":
    network = keras.saving.load_model(sys.argv[1], compile=False)
    print(json.dumps(network.predict(np.load(sys.argv[2]), verbose=0).tolist()))
