"""Marks on the views of routes, which the guards read.

A view without marks gets the strict rules: it needs a token, its errors are pages, its answers are not cached, and its
requests count as load. Requests that ask for work (`asks_for_work`) are also limited.
"""

from collections.abc import Callable
from enum import Flag, auto
from typing import Any, TypeVar

from flask import current_app, request

_LOOKING = {"GET", "HEAD", "OPTIONS"}
View = TypeVar("View", bound=Callable[..., Any])


class Mark(Flag):
    """What a route may be marked as."""

    # No token is needed.
    OPEN_TO_ALL = auto()
    # Operators request it all the time: it does not count as load.
    FOR_OPERATORS = auto()
    # Its errors are problem+json.
    FOR_PROGRAMS = auto()
    # The same for everybody, in every language: browsers may cache it.
    FOR_KEEPING = auto()


def marked(marks: Mark) -> Callable[[View], View]:
    """Return a decorator that puts marks on a view; write it below the route."""

    def decorate(view: View) -> View:
        view.__dict__["marks"] = marks
        return view

    return decorate


def marks_of(endpoint: str | None) -> Mark:
    """Return the marks of an endpoint's view; there are none where no route has the address."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, "marks", Mark(0))


def is_marked(mark: Mark) -> bool:
    """Return whether the view of this request has a mark."""
    return mark in marks_of(request.endpoint)


def asks_for_work() -> bool:
    """Return whether this request sends or changes something, rather than looks at it."""
    return request.method not in _LOOKING
