"""Limit the requests in work: more are refused at once, and those in work are answered in time."""

import functools
import threading
from collections.abc import Callable
from typing import Any

from flask import Response, make_response

from model.errors import Busy
from web.refusals import Refusal

# All images in work are done by then; volumes may not be.
_RETRY_AFTER_SECONDS = 2
View = Callable[[], Any]


class Places:
    """A number of places for requests in work; each holds one until its answer has been sent."""

    def __init__(self, n_places: int) -> None:
        self._free = threading.BoundedSemaphore(n_places)

    def take(self) -> Callable[[], None]:
        """Take a place without waiting; return what frees it, which may be called more than once.

        Raises:
            Refusal: all places are taken.
        """
        if not self._free.acquire(blocking=False):
            raise overloaded()
        return _once(self._free.release)


def overloaded() -> Refusal:
    """Return the refusal of a request that finds no free place or no time."""
    return Refusal(Busy.code, Busy.sentence, [("Retry-After", str(_RETRY_AFTER_SECONDS))])


def admitted(places: Callable[[], Places]) -> Callable[[View], View]:
    """Make a view run only while it holds a place; one that is streamed keeps it until the stream ends."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def with_place() -> Response:
            free = places().take()
            try:
                response = make_response(view())
            except BaseException:
                free()
                raise
            if response.is_streamed:
                response.call_on_close(free)
            else:
                free()
            return response

        return with_place

    return decorate


def _once(action: Callable[[], None]) -> Callable[[], None]:
    lock, calls = threading.Lock(), [action]

    def act() -> None:
        with lock:
            waiting = calls.pop() if calls else None
        if waiting:
            waiting()

    return act
