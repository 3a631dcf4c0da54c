"""The default model never gives a class to an image that is not a brain MRI."""

from collections.abc import Callable

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER
from model.errors import UnsuitableImage
from model.network.classifier import Classifier
from model.reading.contents import MriImage


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(WEIGHTS_FOLDER / f"{DEFAULT_MODELS[0]}.json")


def page_of_text() -> np.ndarray:
    page = Image.new("L", (400, 560), 255)
    for y in range(20, 540, 18):
        ImageDraw.Draw(page).text((20, y), "Patient was seen today and feels well, no complaints. " * 2, fill=0)
    return np.asarray(page)


def noise() -> np.ndarray:
    return np.random.default_rng(17).integers(0, 255, (256, 256), np.uint8)


def grey(picture: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    return lambda: np.asarray(Image.fromarray(picture()).convert("L"))


@pytest.mark.parametrize("value", [0, 255], ids=["black", "white"])
def test_one_flat_grey_is_refused(classifier: Classifier, value: int) -> None:
    with pytest.raises(UnsuitableImage):
        classifier.predict([MriImage(np.full((256, 256), value, np.uint8), "PNG")])


@pytest.mark.parametrize(
    "picture",
    [noise, page_of_text, grey(skimage.data.cat), grey(skimage.data.page), grey(skimage.data.camera),
     grey(skimage.data.coins)],
    ids=["noise", "text", "cat", "scanned page", "photograph", "coins"],
)  # fmt: skip
def test_what_is_no_brain_mri_gets_no_class(classifier: Classifier, picture: Callable[[], np.ndarray]) -> None:
    (prediction,) = classifier.predict([MriImage(picture(), "PNG")])
    assert prediction.answer in {NOT_BRAIN_MRI, UNCERTAIN}
