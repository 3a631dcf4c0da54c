"""The arguments of `python -m benchmarks`."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from model.card import WEIGHTS_FOLDER

# By command, the module whose `arguments(parser)` and `run(options)` it is; without a command, the rows are measured.
_COMMANDS = {
    "": "benchmarks.run",
    "engines": "benchmarks.engines.comparison",
    "precision": "benchmarks.engines.precision",
    "growth": "benchmarks.measured.growth",
    "profile": "benchmarks.measured.profiling",
}
_EPILOG = "Other commands, each with --help: engines, precision, growth, profile. Without one, the rows are measured."


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 0 after measuring, whatever the figures, and 2 if measuring is impossible."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given.pop(0) if given and given[0] in _COMMANDS else ""
    module = importlib.import_module(_COMMANDS[command])
    parser = argparse.ArgumentParser(
        f"python -m benchmarks {command}".strip(), description=module.__doc__, epilog="" if command else _EPILOG
    )
    parser.add_argument("--quick", action="store_true", help="few, short measurements: shows only that everything runs")
    parser.add_argument("--models", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="cards and weights")
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/benchmarks"), metavar="DIR", help="where exported networks are kept"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results.json"), metavar="FILE")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="DIR", help="where page and plots go")
    module.arguments(parser)
    options = parser.parse_args(given)
    from benchmarks.servers.posting import AnswerError
    from benchmarks.servers.processes import ChildError
    from model.errors import ModelFileError

    try:
        module.run(options)
    except (AnswerError, ChildError, ModelFileError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
