"""From the bytes of a picture to class probabilities. Knows nothing of Flask, of HTTP or of training."""

import os

# Keras reads its backend once, when it is first imported. OpenVINO serves the saved network without TensorFlow in
# memory; whoever wants another backend sets KERAS_BACKEND before importing this package (training does).
os.environ.setdefault("KERAS_BACKEND", "openvino")
