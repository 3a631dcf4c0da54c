"""What one would otherwise have: a Flask view around `keras.Model.predict` on TensorFlow, with Grad-CAM by a tape.

Written as the usual tutorials put it together, to be compared with; it has none of the app's checks. The network is the
one that the app serves.

Source: Grad-CAM, Selvaraju et al. 2017, arXiv:1610.02391.
"""

import base64
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from flask import Flask, jsonify, request
from numpy.typing import NDArray
from PIL import Image

from benchmarks.servers.overlay import overlay_png


def create_app(network_file: str, feature_layer: str) -> Flask:
    """Load the network once and give the application; `feature_layer` takes the last feature maps."""
    app = Flask(__name__)
    network = keras.saving.load_model(network_file, compile=False)
    with_features = keras.Model(network.input, [network.get_layer(feature_layer).input, network.output])
    size = network.input_shape[1:3]
    network.predict(np.zeros((1, *size, 1), np.float32), verbose=0)

    @app.get("/")
    def index() -> str:
        return "ready"

    @app.post("/predict")
    def predict() -> Any:
        picture = Image.open(request.files["files"].stream).convert("L")
        inputs = np.asarray(picture.resize(size), np.float32)[None, ..., None]
        probabilities = network.predict(inputs, verbose=0)[0]
        heat = _grad_cam(with_features, inputs, int(probabilities.argmax()))
        overlay = overlay_png(picture, heat)
        return jsonify(probabilities=probabilities.tolist(), heatmap=base64.b64encode(overlay).decode())

    return app


def _grad_cam(with_features: Any, inputs: NDArray[np.float32], class_index: int) -> NDArray[np.float32]:
    with tf.GradientTape() as tape:
        features, probabilities = with_features(inputs)
        score = probabilities[:, class_index]
    gradients = tape.gradient(score, features)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(features * weights, axis=-1))[0]
    return np.asarray(heat / (tf.reduce_max(heat) + 1e-9), np.float32)
