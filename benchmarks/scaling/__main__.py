"""`python -m benchmarks.scaling tree | measure | memory | survive | simulate | page`, each with --help."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.scaling import fleet, measure, page, survive, tree

# By step: what runs it, and its line of help.
_STEPS = {
    "tree": (tree.run, "make an archive of many files from some images, 2 %% of them damaged"),
    "measure": (measure.run, "slices per second on 1 and 2 cores, start, listing; a web replica"),
    "memory": (measure.run_memory, "memory of a scan on archives of several sizes, which must not grow"),
    "survive": (survive.run, "kill a scan repeatedly; every file must have one row in the end"),
    "simulate": (fleet.run, "simulate a fleet whose machines fail, with the measured figures"),
    "page": (page.run, "write docs/scaling.md from the figures"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    by_name = {}
    for name, (run, sentence) in _STEPS.items():
        by_name[name] = steps.add_parser(name, help=sentence)
        by_name[name].set_defaults(run=run)
        if name != "tree":
            by_name[name].add_argument("--figures", type=Path, default=Path("docs/scaling.json"), metavar="FILE")
        if name not in {"simulate", "page"}:
            by_name[name].add_argument("--pictures", type=Path, required=True, metavar="DIR", help="to begin with")
    for name, default in {"tree": 20_000, "measure": 1000, "survive": 20_000}.items():
        by_name[name].add_argument("--files", type=int, default=default, metavar="N", help="default: %(default)s")
    by_name["tree"].add_argument("--out", type=Path, required=True, metavar="DIR")
    by_name["memory"].add_argument("--files", type=int, nargs="+", default=[1000, 20_000], metavar="N")
    by_name["measure"].add_argument("--runs", type=int, default=3, metavar="N", help="of each (default: %(default)s)")
    by_name["measure"].add_argument(
        "--ray-files", type=int, default=4000, metavar="N", help="that Ray scans too; 0 for none (default: %(default)s)"
    )
    by_name["survive"].add_argument("--kills", type=int, default=20, metavar="N")
    by_name["survive"].add_argument("--engine", choices=["plain", "ray"], default="plain")
    by_name["page"].add_argument("--page", type=Path, default=Path("docs/scaling.md"), metavar="FILE")
    options = parser.parse_args(arguments)
    return int(options.run(options) or 0)


if __name__ == "__main__":
    sys.exit(main())
