"""What each route says of itself: marks on its view, which the guards read.

A view without marks gets the strict rules: a token is needed, its errors are pages, its answers are kept by nobody, and
its requests count as load. What is sent to be worked on (`asks_for_work`) is also limited.
"""

from collections.abc import Callable
from enum import Flag, auto
from typing import Any, TypeVar

from flask import current_app, request

_LOOKING = {"GET", "HEAD", "OPTIONS"}
View = TypeVar("View", bound=Callable[..., Any])


class Mark(Flag):
    """What may be said of a route."""

    # No token is needed.
    OPEN_TO_ALL = auto()
    # Operators ask for it all the time, which says nothing of the load.
    FOR_OPERATORS = auto()
    # Its errors are problem+json.
    FOR_PROGRAMS = auto()
    # The same for everybody, in every language: browsers may keep it.
    FOR_KEEPING = auto()


def marked(marks: Mark) -> Callable[[View], View]:
    """Return a decorator that puts marks on a view; it stands below the route."""

    def decorate(view: View) -> View:
        view.__dict__["marks"] = marks
        return view

    return decorate


def marks_of(endpoint: str | None) -> Mark:
    """Return the marks of an endpoint's view; there are none where no route has the address."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, "marks", Mark(0))


def is_marked(mark: Mark) -> bool:
    """Return whether the view of this request bears a mark."""
    return mark in marks_of(request.endpoint)


def asks_for_work() -> bool:
    """Return whether this request sends or changes something, rather than looks at it."""
    return request.method not in _LOOKING
