"""The arguments of `python -m benchmarks`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import BY_NAME
from model.card import WEIGHTS_FOLDER

_EPILOG = "Other commands, each with --help: engines, growth, profile. Without one, the rows are measured."


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; give 0 when that was done, whatever came of it, and 2 when it cannot be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsers = {"engines": _engines_parser, "growth": _growth_parser, "profile": _profile_parser}
    command = given.pop(0) if given and given[0] in parsers else ""
    options = parsers.get(command, _rows_parser)().parse_args(given)
    # What measures takes seconds to import; --help does not wait for it.
    from benchmarks.servers.posting import AnswerError
    from benchmarks.servers.processes import ChildError
    from model.errors import ModelFileError

    try:
        options.step(options)
    except (AnswerError, ChildError, ModelFileError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser(command: str, description: str | None, epilog: str = "") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"python -m benchmarks {command}".strip(), description=description, epilog=epilog)
    parser.add_argument("--quick", action="store_true", help="few and short measurements: shows only that all works")
    parser.add_argument("--models", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="cards and weights")
    parser.add_argument("--cache", type=Path, default=Path("runs/benchmarks"), metavar="DIR",
                        help="where networks in other engines' formats are kept")  # fmt: skip
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results.json"), metavar="FILE")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="DIR", help="where page and plots go")


def _rows_parser() -> argparse.ArgumentParser:
    parser = _parser("", "Measure speed, memory and size against their bounds.", _EPILOG)
    _add_places(parser)
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), metavar="NAME", default=list(BY_NAME),
                        help=f"print these rows alone and write nothing: {', '.join(BY_NAME)}")  # fmt: skip
    parser.set_defaults(step=_rows)
    return parser


def _engines_parser() -> argparse.ArgumentParser:
    parser = _parser("engines", "Compare engines and their options: speed, and what they change in the answers.")
    _add_places(parser)
    parser.add_argument("--pictures", type=Path, default=Path("../shared/data/sartaj/Training"), metavar="DIR",
                        help="JPEGs in folders, of which some are classified too, if it is there")  # fmt: skip
    parser.set_defaults(step=_engines)
    return parser


def _growth_parser() -> argparse.ArgumentParser:
    parser = _parser("growth", "Measure how time grows with pictures, clients and the size of a picture.")
    _add_places(parser)
    parser.set_defaults(step=_growth)
    return parser


def _profile_parser() -> argparse.ArgumentParser:
    parser = _parser("profile", "Find where a worker spends its time while JPEGs are posted (py-spy; needs root).")
    _add_places(parser)
    parser.add_argument("--seconds", type=int, default=20, help="how long the worker is watched")
    parser.set_defaults(step=_profile)
    return parser


def _rows(options: argparse.Namespace) -> None:
    from benchmarks.run import run_rows

    run_rows(options)


def _engines(options: argparse.Namespace) -> None:
    from benchmarks.engines.comparison import run

    run(options)


def _growth(options: argparse.Namespace) -> None:
    from benchmarks.measured.growth import run

    run(options)


def _profile(options: argparse.Namespace) -> None:
    from benchmarks.measured.profiling import run

    run(options)
