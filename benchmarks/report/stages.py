"""Find the stage of an answer, and the function of this project, that a stack of Python frames belongs to."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

OTHER, WAITING = "other", "waiting"
# The innermost frame that any pattern fits decides, by the first pattern that fits it: frames of the interpreter and
# of libraries count to the stage that called them. A frame reads "Class.function (file:line)".
_STAGES = {
    WAITING: r"^\S*(wait|select|poll|_worker|accept) \((threading|selectors|concurrent/futures/thread|socket)\.py",
    "engine": r"\((openvino/|model/network/engine|keras/src/backend/openvino)|(^|\.)predict_inputs \(",
    "the image as WebP": r"(^|\.)(picture_webp|shrink) \(",
    "heat map": r"\(model/evidence/|(^|\.)(layers|heatmap_jpeg|evidence|part_with_head|place_in_picture) \(",
    "preprocess": r"\(model/preprocessing\.py",
    "decode": r"\(model/reading/",
    "to and from the reading process": r"\(model/(sandbox|processes)/",
    "gate and calibration": r"\(model/answers/|(^|\.)calibrate \(",
    "JSON, base64, templates": r"\((json/|base64\.py|jinja2/|marshmallow/|web/(records\.py|page/|api/))|\.html:",
    "HTTP": r"\((gunicorn/|werkzeug/|flask/|email/|http/|socket\.py|web/(server/|guards/uploads))",
    "other code of the app": r"\((web|model)/",
}
# Called by several stages: what called it decides.
_SHARED = re.compile(r"^_encoded \(")
_PATTERNS = {stage: re.compile(pattern) for stage, pattern in _STAGES.items()}
_OWN = re.compile(r"^(\S+) \(((web|model)/[\w/]+\.py|\w+\.html)")


def stage_of(frames: list[str]) -> str:
    """Return the stage of a stack, its frames from the outermost to the innermost."""
    inner_first = _inner_first(frames)
    fitting = (stage for frame in inner_first for stage, pattern in _PATTERNS.items() if pattern.search(frame))
    return next(fitting, OTHER)


def own_function_of(frames: list[str]) -> str:
    """Return the innermost function of this project in a stack, or OTHER."""
    own = (match for frame in _inner_first(frames) if (match := _OWN.match(frame)))
    return next((f"{match[1]} ({match[2]})" for match in own), OTHER)


def _inner_first(frames: list[str]) -> list[str]:
    return [frame for frame in reversed(frames) if not _SHARED.match(frame)]


def count(folded: Iterable[str], kind_of: Callable[[list[str]], str]) -> Counter[str]:
    """Add up samples by kind; each line holds the frames of a stack between semicolons, a space, and a number.

    Threads that wait for work are left out.
    """
    counts: Counter[str] = Counter()
    for line in folded:
        stack, _, number = line.rpartition(" ")
        frames = stack.split(";")
        if stage_of(frames) != WAITING:
            counts[kind_of(frames)] += int(number)
    return counts
