"""Load a model with its card, and classify with it."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from model.card import ModelCard, read_card
from model.errors import Busy, ModelFileError
from model.network.classifier import Classifier, load_classifiers
from model.reading.contents import MriImage


def some_images() -> list[MriImage]:
    random = np.random.default_rng(3)
    return [MriImage(random.integers(0, 255, (40 + 10 * i, 50), np.uint8), "PNG") for i in range(3)]


@pytest.fixture
def copy_of_models(tiny_models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_models, tmp_path / "models"))


def test_probabilities_of_each_picture_sum_to_one(tiny_models: Path) -> None:
    for classifier in load_classifiers(tiny_models).values():
        for prediction in classifier.predict(some_images()):
            assert np.isclose(prediction.probabilities.sum(), 1, atol=1e-5)
            assert tuple(prediction.by_class()) == classifier.card.class_names
            assert prediction.by_class()[prediction.predicted_class] == prediction.probabilities.max()


def test_batch_gives_the_same_as_one_picture_at_a_time(tiny_models: Path) -> None:
    classifier = Classifier.load(tiny_models / "xception.json")
    together = classifier.predict(some_images())
    alone = [classifier.predict([image])[0] for image in some_images()]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


@pytest.mark.parametrize("has_beside", [True, False])
def test_batches_classified_ahead_give_what_each_gives_alone(tiny_models: Path, has_beside: bool) -> None:
    classifier = Classifier.load(tiny_models / "xception.json", has_beside)
    first, second, third = some_images()
    batches = [[first, second], [third], [second, first, third]]
    for found, images in zip(classifier.predict_ahead(batches), batches, strict=True):
        for one, other in zip(found, classifier.predict(images), strict=True):
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_only_the_next_batch_is_in_work_while_one_is_looked_at(tiny_models: Path) -> None:
    taken: list[int] = []

    def batches() -> Iterator[list[MriImage]]:
        for i in range(10):
            taken.append(i)
            yield some_images()

    ahead = Classifier.load(tiny_models / "xception.json").predict_ahead(batches())
    next(ahead)
    next(ahead)
    ahead.close()
    assert len(taken) <= 3


@dataclass(frozen=True, eq=False)
class SlowToRead:
    """An image whose preprocessing blocks."""

    taken: threading.Semaphore
    may_go_on: threading.Event

    @property
    def pixels(self) -> np.ndarray:
        self.taken.release()
        self.may_go_on.wait(10)
        return some_images()[0].pixels


def test_volume_that_others_hold_up_for_too_long_is_sent_away_and_theirs_is_finished(tiny_models: Path) -> None:
    classifier = Classifier.load(tiny_models / "xception.json")
    slow = SlowToRead(threading.Semaphore(0), threading.Event())
    with ThreadPoolExecutor() as threads:
        theirs = threads.submit(lambda: list(classifier.predict_ahead([[slow] * 50, [slow] * 2], 5)))
        for _ in classifier.turns.engine.beside:
            assert slow.taken.acquire(timeout=10)
        ours = threads.submit(lambda: next(classifier.predict_ahead([some_images()], 0.2)))
        time.sleep(0.4)
        slow.may_go_on.set()
        with pytest.raises(Busy):
            ours.result(10)
        assert [len(batch) for batch in theirs.result(10)] == [50, 2]


def test_no_picture_gives_no_prediction(tiny_models: Path) -> None:
    assert Classifier.load(tiny_models / "xception.json").predict([]) == []


def test_missing_weights_are_named(copy_of_models: Path) -> None:
    (copy_of_models / "vgg16.keras").unlink()
    with pytest.raises(ModelFileError, match=r"vgg16\.keras"):
        load_classifiers(copy_of_models)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("preprocessing_version", 99, "preprocessing version"),
        ("class_names", ["no_tumor", "tumor"], "classes"),
        ("input_size_px", 64, "shapes"),
        ("feature_layer", "nowhere", "nowhere"),
        ("surprise", 1, "card"),
    ],
)
def test_card_that_does_not_fit_is_refused(copy_of_models: Path, field: str, value: object, message: str) -> None:
    file = copy_of_models / "xception.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with pytest.raises(ModelFileError, match=message):
        Classifier.load(file)


def test_card_survives_writing_and_reading(tiny_models: Path) -> None:
    card = read_card(tiny_models / "xception.json")
    assert ModelCard.from_json(card.to_json()) == card
