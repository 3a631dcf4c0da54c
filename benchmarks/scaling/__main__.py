"""`python -m benchmarks.scaling tree | measure | memory | survive | simulate | page`, each with --help."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

FIGURES, PAGE = Path("docs/scaling.json"), Path("docs/scaling.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; give its exit code."""
    options = _parser().parse_args(arguments)
    return int(options.step(options) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    _add_tree(steps)
    _add_measure(steps)
    _add_memory(steps)
    _add_survive(steps)
    _add_simulate(steps)
    _add_page(steps)
    return parser


_Steps: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_tree(steps: _Steps) -> None:
    step = steps.add_parser("tree", help="make an archive of many files from some pictures, 2 %% of them damaged")
    _add_pictures(step)
    step.add_argument("--files", type=int, default=20_000, metavar="N")
    step.add_argument("--out", type=Path, required=True, metavar="DIR")
    step.set_defaults(step=_tree)


def _add_pictures(step: argparse.ArgumentParser) -> None:
    step.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="folder of pictures to begin with")


def _add_measure(steps: _Steps) -> None:
    step = steps.add_parser("measure", help="slices per second on 1 and 2 cores, start, listing; a web replica")
    _add_pictures(step)
    step.add_argument("--files", type=int, default=1000, metavar="N", help="of the archive (default: %(default)s)")
    step.add_argument("--runs", type=int, default=3, metavar="N", help="of each measurement (default: %(default)s)")
    step.add_argument("--ray-files", type=int, default=4000, metavar="N",
                      help="of the archive that --engine ray scans too; 0 for none (default: %(default)s)")  # fmt: skip
    step.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    step.set_defaults(step=_measure)


def _add_memory(steps: _Steps) -> None:
    step = steps.add_parser("memory", help="memory of a scan on archives of several sizes, which must not grow")
    _add_pictures(step)
    step.add_argument("--files", type=int, nargs="+", default=[1000, 20_000], metavar="N")
    step.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    step.set_defaults(step=_memory)


def _add_survive(steps: _Steps) -> None:
    step = steps.add_parser("survive", help="kill a scan again and again; every file must have one row in the end")
    _add_pictures(step)
    step.add_argument("--files", type=int, default=20_000, metavar="N")
    step.add_argument("--kills", type=int, default=20, metavar="N")
    step.add_argument("--engine", choices=["plain", "ray"], default="plain")
    step.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    step.set_defaults(step=_survive)


def _add_simulate(steps: _Steps) -> None:
    step = steps.add_parser("simulate", help="play a fleet whose machines fail, with the measured figures")
    step.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    step.set_defaults(step=_simulate)


def _add_page(steps: _Steps) -> None:
    step = steps.add_parser("page", help="write docs/scaling.md from the figures")
    step.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    step.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    step.set_defaults(step=_page)


def _tree(options: argparse.Namespace) -> None:
    from benchmarks.scaling.tree import make_tree

    n_damaged = make_tree(options.pictures, options.out, options.files)
    print(f"{options.files} files in {options.out}, {n_damaged} of them damaged.")


def _measure(options: argparse.Namespace) -> None:
    from benchmarks.scaling.measure import measure

    measure(options.pictures, options.files, options.runs, options.ray_files, options.figures)


def _memory(options: argparse.Namespace) -> None:
    from benchmarks.scaling.measure import measure_memory

    measure_memory(options.pictures, options.files, options.figures)


def _survive(options: argparse.Namespace) -> int:
    from benchmarks.scaling.survive import survive

    return survive(options.pictures, options.files, options.kills, options.engine, options.figures)


def _simulate(options: argparse.Namespace) -> None:
    from benchmarks.scaling.fleet import simulate

    simulate(options.figures)


def _page(options: argparse.Namespace) -> None:
    from benchmarks.scaling.page import write_page

    write_page(options.figures, options.page)


if __name__ == "__main__":
    sys.exit(main())
