"""Holds the arrows app.py -> web -> model <- training, by reading the imports without running them.

`benchmarks` measures all of them, and none of them knows of it.
"""

import ast
import re

import pytest

from tests.support.samples import TOP

PACKAGES = ("benchmarks", "model", "training", "web")

# What each part may import of this project.
ARROWS = {
    "app.py": {"web", "model"},
    "gunicorn.conf.py": {"web"},
    "web": {"web", "model"},
    "model": {"model"},
    "training": {"training", "model"},
    "benchmarks": {"benchmarks", "app", "web", "model", "training"},
}
# Who may import a library that would tie a part to the web or to a training engine.
IMPORTERS = {
    "flask": {"app.py", "web", "benchmarks/servers/tutorial.py"},
    "werkzeug": {"app.py", "web"},
    "jinja2": {"app.py", "web"},
    "apispec": {"web"},
    "marshmallow": {"web"},
    "flask_limiter": {"web"},
    "prometheus_client": {"web"},
    "gunicorn": {"gunicorn.conf.py", "web"},
    "tensorflow": {"training/tensorflow_only.py", "benchmarks/servers/tutorial.py"},
}
# Who may read or set environment variables: the settings, the server's own configuration, the two packages that
# choose Keras's backend before Keras is imported, and what starts children with a backend of their own.
ENVIRONMENT_READERS = {
    "web/settings.py",
    "gunicorn.conf.py",
    "model/__init__.py",
    "training/__init__.py",
    "training/measure/parity.py",
    "benchmarks/servers/processes.py",
}
ENVIRONMENT_NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def source_files():
    files = [path for package in PACKAGES for path in (TOP / package).rglob("*.py")]
    files += [path for name in ("app.py", "gunicorn.conf.py") if (path := TOP / name).exists()]
    return sorted(path.relative_to(TOP).as_posix() for path in files)


def imported_modules(source):
    """Give the top-level names of all modules that the source imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(name), level=0):
                names.add(name)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                names.add(name)
    return {name.split(".")[0] for name in names}


def touches_environment(source):
    """Tell whether the source uses the process's environment variables."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in ENVIRONMENT_NAMES:
                return True
            case ast.ImportFrom(module="os") if {alias.name for alias in node.names} & ENVIRONMENT_NAMES:
                return True
    return False


def forbidden_imports(file, source):
    """Give the modules that this file imports against the arrows."""
    part = file.split("/")[0]
    imported = imported_modules(source)
    against_arrows = (imported & {*PACKAGES, "app"}) - ARROWS[part]
    against_roles = {name for name, importers in IMPORTERS.items() if name in imported and not {file, part} & importers}
    return against_arrows | against_roles


@pytest.mark.parametrize("part", ARROWS)
def test_every_part_of_the_project_is_read(part):
    assert any(file == part or file.startswith(f"{part}/") for file in source_files())


@pytest.mark.parametrize("file", source_files())
def test_file_imports_only_along_the_arrows(file):
    assert forbidden_imports(file, (TOP / file).read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("file", sorted(set(source_files()) - ENVIRONMENT_READERS))
def test_file_leaves_environment_variables_to_the_settings(file):
    assert not touches_environment((TOP / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("model/card.py", "import flask", {"flask"}),
        ("model/card.py", "from web.settings import load", {"web"}),
        ("model/card.py", "def f():\n    from training import train", {"training"}),
        ("model/card.py", "import tensorflow as tf", {"tensorflow"}),
        ("model/card.py", "importlib.import_module('tensorflow.lite')", {"tensorflow"}),
        ("web/views.py", "import training.steps.train", {"training"}),
        ("web/views.py", "import app", {"app"}),
        ("training/steps/train.py", "from tensorflow.data import Dataset", {"tensorflow"}),
        ("training/steps/train.py", "import web", {"web"}),
        ("app.py", "import training", {"training"}),
        ("app.py", "import benchmarks", {"benchmarks"}),
        ("model/card.py", "from benchmarks.timing import Sample", {"benchmarks"}),
        ("training/steps/train.py", "import benchmarks", {"benchmarks"}),
        ("web/views.py", "import benchmarks", {"benchmarks"}),
        ("benchmarks/servers/serving.py", "import flask", {"flask"}),
        ("app.py", "import flask, web", set()),
        ("web/views.py", "from model.card import ModelCard", set()),
        ("training/tensorflow_only.py", "import tensorflow", set()),
        ("training/steps/train.py", "from .networks import build", set()),
        ("benchmarks/servers/serving.py", "import app, model, training, web", set()),
        ("benchmarks/servers/tutorial.py", "import flask, tensorflow", set()),
    ],
)
def test_import_against_the_arrows_is_found(file, source, found):
    assert forbidden_imports(file, source) == found


@pytest.mark.parametrize(
    "source", ["os.environ['A']", "os.getenv('A')", "from os import environ", "os.putenv('A', 'b')"]
)
def test_use_of_the_environment_is_found(source):
    assert touches_environment(source)


def clock_readings(source):
    """Give the calls that read the clock of the day, which may jump, as `module.function`."""
    jumping = {
        ("time", "time"),
        ("time", "time_ns"),
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("datetime", "today"),
    }
    return [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in jumping
    ]


@pytest.mark.parametrize("file", [file for file in source_files() if not file.startswith(("training/", "benchmarks/"))])
def test_file_measures_time_by_a_clock_that_never_jumps(file):
    # The clock of the day is for dates, and for what the rate limit's library counts by it.
    dates = {
        "web/api/views.py": ["datetime.now"],
        "web/records.py": ["datetime.now"],
        "web/guards/rate_limit.py": ["time.time", "time.time"],
        "benchmarks/report/machine.py": ["datetime.now"],
        "model/scan/run.py": ["datetime.now"],
        "benchmarks/scaling/figures.py": ["datetime.now"],
    }
    assert clock_readings((TOP / file).read_text(encoding="utf-8")) == dates.get(file, [])


TEST_MODULE = re.compile(
    r"^(from|import) tests\.\S*\b(test_\w+|conftest)|^from tests\S* import .*\b(test_\w+|conftest)\b", re.M
)


def test_no_test_imports_a_test():
    files = (TOP / "tests").rglob("*.py")
    assert [str(file) for file in files if TEST_MODULE.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "line", ["from tests.web.test_x import a", "import tests.test_x", "from tests import conftest"]
)
def test_import_of_a_test_is_found(line):
    assert TEST_MODULE.search(f"import os\n{line}\n")
