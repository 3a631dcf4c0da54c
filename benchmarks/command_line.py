"""The arguments of `python -m benchmarks`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import BY_NAME
from model.classifier import WEIGHTS_FOLDER


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; give 0 when that was done, whatever came of it, and 2 when it cannot be done."""
    options = _parser().parse_args(arguments)
    # What measures takes seconds to import; --help does not wait for it.
    from benchmarks.posting import AnswerError
    from benchmarks.processes import ChildError
    from model.errors import ModelFileError

    try:
        options.step(options)
    except (AnswerError, ChildError, ModelFileError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--quick", action="store_true", help="few and short measurements: shows only that all works")
    common.add_argument("--models", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="cards and weights")
    common.add_argument("--cache", type=Path, default=Path("runs/benchmarks"), metavar="DIR",
                        help="where networks in other engines' formats are kept")  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, parents=[common])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(BY_NAME),
        metavar="NAME",
        default=list(BY_NAME),
        help=f"measure these rows alone, and keep what was measured of others: {', '.join(BY_NAME)}",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results.json"), metavar="FILE")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="DIR", help="where table and plots go")
    parser.set_defaults(step=_rows)
    return parser


def _rows(options: argparse.Namespace) -> None:
    from benchmarks.run import run_rows

    run_rows(options)
