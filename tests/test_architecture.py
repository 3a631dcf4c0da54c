"""The arrows app.py -> web -> model <- training and those inside each, read from the imports without running them.

`benchmarks` measures all of them, and none of them knows of it.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.samples import TOP

# What each part may import of this project.
ARROWS = {
    "app.py": {"web", "model"},
    "gunicorn.conf.py": {"web"},
    "web": {"web", "model"},
    "model": {"model"},
    "training": {"training", "model"},
    "benchmarks": {"benchmarks", "app", "web", "model", "training"},
}
# The way of an image through a part: later ones may import earlier ones, never the reverse.
FLOW = {
    "model": (
        "sentences",
        "errors",
        "safe_files",
        "card",
        "preprocessing",
        "processes",
        "reading",
        "sandbox",
        "answers",
        "network",
        "evidence",
        "answering",
        "records",
        "scan",
    ),
    "web": (
        "routes",
        "settings",
        "refusals",
        "languages",
        "observing",
        "guards",
        "service",
        "errors",
        "answering",
        "api",
        "page",
    ),
    "training": ("errors", "recipes", "data", "figures", "feed", "fit", "measure", "drawing", "steps", "studies"),
}
# The parts that may import a library of the web or of a training engine.
IMPORTERS = {
    "flask": {"app.py", "web", "benchmarks/servers/tutorial.py"},
    "werkzeug": {"app.py", "web"},
    "jinja2": {"app.py", "web", "training", "model/scan/table/report.py"},  # the page, and every report
    "apispec": {"web"},
    "marshmallow": {"web"},
    "flask_limiter": {"web"},
    "prometheus_client": {"web"},
    "gunicorn": {"gunicorn.conf.py", "web"},
    "tensorflow": {"benchmarks/servers/tutorial.py"},
    "torch": {"benchmarks/servers/pytorch.py"},
    "fastapi": {"benchmarks/servers/pytorch.py"},
}
# Who may read or set environment variables: the settings, the server's own configuration, the two packages that
# choose Keras's backend before Keras is imported, and what starts children with a backend of their own.
ENVIRONMENT_READERS = {
    "web/settings.py",
    "gunicorn.conf.py",
    "model/__init__.py",
    "training/__init__.py",
    "training/parity.py",
    "benchmarks/servers/processes.py",
}
ENVIRONMENT = {f"os.{name}" for name in ("environ", "environb", "getenv", "getenvb", "putenv", "unsetenv")}
# Wall-clock time is only for dates, and for the rate limit's library.
READERS_OF_THE_DATE = {"web/api/views.py", "web/page/result_cards.py", "web/guards/rate_limit.py", "model/scan/run.py"}
JUMPING_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
TEST_MODULE = re.compile(
    r"^(from|import) tests\.\S*\b(test_\w+|conftest)|^from tests\S* import .*\b(test_\w+|conftest)\b", re.MULTILINE
)


@cache
def sources() -> dict[str, str]:
    """Return the text of each file of the product, by its path from the top."""
    files = [TOP / "app.py", TOP / "gunicorn.conf.py", *(f for part in ARROWS for f in (TOP / part).rglob("*.py"))]
    return {file.relative_to(TOP).as_posix(): file.read_text(encoding="utf-8") for file in sorted(files)}


@cache
def imported_modules(source: str) -> set[str]:
    """Return the full names of everything that the source imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(name), level=0):
                names |= {f"{name}.{alias.name}" for alias in node.names}
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                names.add(name)
    return names


def against_the_arrows(file: str, source: str) -> Iterator[str]:
    """Yield the forbidden imports of a file."""
    part, *below = file.removesuffix(".py").split("/") if "/" in file else [file]
    flow = FLOW.get(part, ())
    later = flow[flow.index(below[0]) + 1 :] if below and below[0] in flow else ()
    for name in sorted(imported_modules(source)):
        top, room = [*name.split("."), ""][:2]
        if top in {"app", *ARROWS} - ARROWS[part] or (top == part and room in later):
            yield f"{file} imports {name}"
        if top in IMPORTERS and not {file, part} & IMPORTERS[top]:
            yield f"{file} imports {name}"


@cache
def names_used(source: str) -> set[str]:
    """Return the names that a source uses as `module.name`, imported directly or not."""
    attributes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    return {f"{n.value.id}.{n.attr}" for n in attributes if isinstance(n.value, ast.Name)} | imported_modules(source)


def files_that_use(names: set[str]) -> set[str]:
    return {file for file, source in sources().items() if names & names_used(source)}


def test_every_part_and_every_room_exists():
    assert [part for part in ARROWS if not any(file.startswith(part) for file in sources())] == []
    rooms = [f"{part}/{room}" for part, flow in FLOW.items() for room in flow]
    assert [room for room in rooms if not any(file.startswith((f"{room}/", f"{room}.py")) for file in sources())] == []


def test_files_import_only_along_the_arrows():
    assert [found for file, source in sources().items() for found in against_the_arrows(file, source)] == []


def test_environment_variables_are_left_to_the_settings():
    assert files_that_use(ENVIRONMENT) == ENVIRONMENT_READERS


def test_time_is_measured_by_a_clock_that_never_jumps():
    served = {file for file in files_that_use(JUMPING_CLOCKS) if not file.startswith(("training/", "benchmarks/"))}
    assert served == READERS_OF_THE_DATE


def test_no_test_imports_a_test():
    files = (TOP / "tests").rglob("*.py")
    assert [str(file) for file in files if TEST_MODULE.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("model/card.py", "import flask"),
        ("model/card.py", "from web.settings import load"),
        ("model/card.py", "def f():\n    from training import train"),
        ("model/card.py", "import tensorflow as tf"),
        ("model/card.py", "importlib.import_module('tensorflow.lite')"),
        ("model/card.py", "import benchmarks"),
        ("model/reading/raster.py", "from model.answers.certainty import decide"),
        ("model/reading/raster.py", "from model import answers"),
        ("web/page/views.py", "import training.steps.train"),
        ("web/page/views.py", "import app"),
        ("web/errors.py", "import web.api.views"),
        ("training/steps/train.py", "from tensorflow.data import Dataset"),
        ("training/data/folders.py", "from training.fit import recipes"),
        ("app.py", "import training"),
        ("benchmarks/servers/serving.py", "import flask"),
    ],
)
def test_import_against_the_arrows_is_found(file, source):
    assert len(list(against_the_arrows(file, source))) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("app.py", "import flask, web"),
        ("web/page/views.py", "from model.card import ModelCard"),
        ("model/answers/gate.py", "from model.reading import raster"),
        ("training/steps/train.py", "from .networks import build"),
        ("benchmarks/servers/serving.py", "import app, model, training, web"),
        ("benchmarks/servers/tutorial.py", "import flask, tensorflow"),
    ],
)
def test_import_along_the_arrows_is_left_alone(file, source):
    assert list(against_the_arrows(file, source)) == []


@pytest.mark.parametrize("use", ["os.environ['A']", "os.getenv('A')", "from os import environ", "os.putenv('A', 'b')"])
def test_use_of_the_environment_is_found(use):
    assert names_used(use) & ENVIRONMENT


@pytest.mark.parametrize("use", ["time.time()", "from time import time", "datetime.now(UTC)"])
def test_use_of_a_clock_that_jumps_is_found(use):
    assert names_used(use) & JUMPING_CLOCKS


@pytest.mark.parametrize("line", ["from tests.a.test_b import c", "import tests.test_b", "from tests import conftest"])
def test_import_of_a_test_is_found(line):
    assert TEST_MODULE.search(f"import os\n{line}\n")


def test_no_folder_holds_more_than_a_dozen_python_files() -> None:
    folders = {
        file.parent
        for part in ("model", "web", "training", "benchmarks", "tests")
        for file in (TOP / part).rglob("*.py")
    }
    assert [str(folder) for folder in folders if len(list(folder.glob("*.py"))) > 12] == []
