"""From folders of labelled images to a published Keras model. Nothing in `model/` or `web/` uses it."""

import os

# Before anything imports `model` (which would choose OpenVINO) or Keras: training needs a backend with gradients.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
