"""The order in which threads get their passes of a network."""

import threading
import time

import numpy as np
import pytest

from model.errors import Busy
from model.network.engine import Engine
from model.network.waiting_line import Turns

ONE = np.zeros((1, 2, 2, 1), np.float32)


class SlowNetwork:
    """Records its inputs, and waits in each pass until released."""

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
    turns = Turns(Engine(network))
    threads = [start(turns, number) for number in range(6)]
    network.may_go_on.set()
    for thread in threads:
        thread.join(10)
    assert network.seen == [0, 1, 2, 3, 4, 5]


def test_who_waited_too_long_is_sent_away_and_those_behind_are_not_held_up() -> None:
    network = SlowNetwork()
    turns = Turns(Engine(network))
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

    turns = Turns(Engine(fail))
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

    turns, given = Turns(Engine(note)), {}

    def ask(number: int) -> None:
        for i in range(20):
            given[number, i] = turns(ONE + number)[0][0, 0, 0, 0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert given == {(number, i): number for number in range(8) for i in range(20)}


def test_one_that_comes_alone_gets_all_cores_and_those_that_wait_run_beside_each_other() -> None:
    alone, left, right = SlowNetwork(), SlowNetwork(), SlowNetwork()
    turns = Turns(Engine(alone, (right, left)))
    first = start(turns, 1)
    others = [start(turns, number) for number in (2, 3, 4)]
    assert (alone.seen, left.seen, right.seen) == ([1], [], [])
    alone.may_go_on.set()
    first.join(10)
    time.sleep(0.1)
    assert (left.seen, right.seen) == ([2], [3])
    left.may_go_on.set()
    right.may_go_on.set()
    for thread in others:
        thread.join(10)
    assert sorted(left.seen + right.seen) == [2, 3, 4]
    turns(ONE + 5)
    assert alone.seen == [1, 5]


def test_time_of_the_pass_that_runs_the_longest_is_told() -> None:
    network, now = SlowNetwork(), [100.0]
    turns = Turns(Engine(network), clock=lambda: now[0])
    assert turns.seconds_running == 0
    thread = start(turns, 0)
    now[0] += 70
    assert turns.seconds_running == 70
    network.may_go_on.set()
    thread.join(10)
    assert turns.seconds_running == 0
