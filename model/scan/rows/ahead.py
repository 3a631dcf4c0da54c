"""Compute results in threads before they are read."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()


def ahead(
    work: Callable[[T], R], items: Iterable[T], n_threads: int, n_waiting: int, size: Callable[[T], int] = lambda _: 1
) -> Iterator[R]:
    """Yield the result for each item as it gets ready; unread results have a total size of `n_waiting`.

    One item more than there are threads is always started, however large.

    The threads are daemons, unlike those of concurrent.futures: one that waits for a store does not delay the exit.

    Raises:
        Exception: what `work` raised.
    """
    todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(n_threads):
        threading.Thread(target=_serve, args=(work, todo, done), daemon=True).start()
    n_open = n_size = 0
    try:
        for item in items:
            todo.put(item)
            n_open, n_size = n_open + 1, n_size + size(item)
            while n_open > n_threads and n_size >= n_waiting:
                finished, result = _result(done)
                n_open, n_size = n_open - 1, n_size - size(finished)
                yield result
        for _ in range(n_open):
            yield _result(done)[1]
    finally:
        with suppress(queue.Empty):
            while True:
                todo.get_nowait()
        for _ in range(n_threads):
            todo.put(_END)


def _serve(work: Callable[[T], R], todo: "queue.SimpleQueue[Any]", done: "queue.SimpleQueue[Any]") -> None:
    for item in iter(todo.get, _END):
        try:
            done.put((item, work(item)))
        except Exception as error:  # noqa: BLE001 - raised again where the results are read
            done.put(error)


def _result(done: "queue.SimpleQueue[Any]") -> Any:
    found = done.get()
    if isinstance(found, Exception):
        raise found
    return found
