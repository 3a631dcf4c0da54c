"""From the bytes of an image to class probabilities. Knows nothing of Flask, of HTTP or of training."""

import os
import sys

# Keras reads its backend once, when it is first imported. OpenVINO serves the saved network without TensorFlow in
# memory; whoever wants another backend sets KERAS_BACKEND before importing this package (training does).
BACKEND = os.environ.setdefault("KERAS_BACKEND", "openvino")

# Ray reports its use as well, unless told not to.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# `import openvino` reports its use to a web analytics service and leaves an identifier in the home folder, unless its
# telemetry package cannot be imported. A program that reads MR images calls nobody.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
