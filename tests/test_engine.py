"""Passes of a network: what they give, and in which order threads get them."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from model.engine import Turns, run_of
from model.errors import Busy
from model.lean_keras import import_keras

ONE = np.zeros((1, 2, 2, 1), np.float32)


def test_direct_pass_gives_what_keras_predicts(tiny_models: Path) -> None:
    network = import_keras().saving.load_model(tiny_models / "xception.keras")
    inputs = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 1)).astype(np.float32)
    (probabilities,) = run_of(network)(inputs)
    np.testing.assert_allclose(probabilities, network.predict(inputs, verbose=0), atol=1e-6)


def test_outputs_of_a_pass_outlive_the_next_one(tiny_models: Path) -> None:
    run = run_of(import_keras().saving.load_model(tiny_models / "xception.keras"))
    dark, bright = np.zeros((1, 32, 32, 1), np.float32), np.full((1, 32, 32, 1), 255, np.float32)
    (first,) = run(dark)
    kept = first.copy()
    run(bright)
    np.testing.assert_array_equal(first, kept)


class SlowNetwork:
    """Notes what it is given, and waits in each pass until it is let go on."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.may_go_on = threading.Event()

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        self.seen.append(float(inputs[0, 0, 0, 0]))
        assert self.may_go_on.wait(10)
        return [inputs]


def start(turns: Turns, number: int, **options: float) -> threading.Thread:
    thread = threading.Thread(target=turns, args=(ONE + number,), kwargs=options)
    thread.start()
    time.sleep(0.02)  # so that the next one comes after it
    return thread


def test_threads_get_their_passes_in_the_order_in_which_they_came() -> None:
    network = SlowNetwork()
    turns = Turns(network)
    threads = [start(turns, number) for number in range(6)]
    network.may_go_on.set()
    for thread in threads:
        thread.join(10)
    assert network.seen == [0, 1, 2, 3, 4, 5]


def test_who_waited_too_long_is_sent_away_and_those_behind_are_not_held_up() -> None:
    network = SlowNetwork()
    turns = Turns(network)
    first = start(turns, 0)
    with pytest.raises(Busy):
        turns(ONE + 1, timeout_seconds=0.05)
    last = start(turns, 2)
    network.may_go_on.set()
    first.join(10)
    last.join(10)
    assert network.seen == [0, 2]


def test_failed_pass_leaves_the_turn_to_the_next() -> None:
    def fail(_: np.ndarray) -> list[np.ndarray]:
        raise ValueError("broken")

    turns = Turns(fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            turns(ONE, timeout_seconds=1)


def test_passes_of_many_threads_never_overlap() -> None:
    running: list[int] = []

    def note(inputs: np.ndarray) -> list[np.ndarray]:
        running.append(1)
        assert len(running) == 1
        time.sleep(0.0005)
        running.pop()
        return [inputs]

    turns, given = Turns(note), {}

    def ask(number: int) -> None:
        for i in range(20):
            given[number, i] = turns(ONE + number)[0][0, 0, 0, 0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert given == {(number, i): number for number in range(8) for i in range(20)}
