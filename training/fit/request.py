"""The user's request for a training run, and its comparison with how the run began."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.card import CLASS_NAMES
from training.data.decoded import Decoded
from training.data.folders import fingerprint
from training.data.sources import Sources, add_sources, sources_of
from training.errors import DataError
from training.fit.environment import describe_environment
from training.fit.run_folder import RUNS, Config, DataFacts, RunFolder
from training.recipes import RECIPES, Recipe, recipe_for


@dataclass(frozen=True)
class Request:
    """The recipe, the images, the run's folder, and how to train.

    unseen: folders whose near-duplicates are left out of training; audit: a folder written by `audit`, whose copies
    count as near-duplicates too; precision: the Keras dtype policy; start: a run whose best network is trained
    further, instead of one with a new head.
    """

    recipe: Recipe
    sources: Sources
    unseen: Sources
    audit: Path | None
    precision: str
    weights: str
    start: RunFolder | None
    run: RunFolder
    seed: int
    quick: bool
    # Share each batch among all devices that Keras sees.
    distribute: bool
    # Show a bar per epoch instead of a line.
    bars: bool

    def config(self, usable: Decoded, n_groups: int, n_validation: int, problems: Sequence[str]) -> Config:
        """Return the run's configuration: this request and the usable images."""
        counts = {name: sum(p.class_name == name for p in usable.pictures) for name in CLASS_NAMES[self.recipe.task]}
        facts = DataFacts(
            folders=self.sources.names,
            boxes=self.sources.boxes.name if self.sources.boxes else None,
            near_duplicates_left_out_of=self.unseen.names,
            audited=self.audit is not None,
            n_pictures=counts,
            n_groups=n_groups,
            n_validation=n_validation,
            fingerprint=fingerprint(usable.pictures),
            problems=list(problems),
        )
        return Config(
            recipe=dataclasses.asdict(self.recipe),
            quick=self.quick,
            weights=Path(self.weights).name,
            precision=self.precision,
            start=self.start.described() if self.start else None,
            seed=self.seed,
            data=dataclasses.asdict(facts),
            environment=describe_environment(),
        )

    def require_as_begun(self) -> None:
        """Check that a resumed run has the same options as at first: its card records only the first call.

        Raises:
            DataError: the options differ.
        """
        if not self.run.has_begun:
            return
        begun = self.run.read_config()
        given = json.loads(json.dumps(dataclasses.asdict(self.recipe)))
        differences = [
            f"{name} {begun.recipe[name]}, and received {value}"
            for name, value in given.items()
            if begun.recipe.get(name, value) != value
        ]
        for name, before, now in (("seed", begun.seed, self.seed), ("precision", begun.precision, self.precision)):
            if before != now:
                differences.append(f"{name} {before}, and received {now}")
        if begun.quick != self.quick:
            differences.append(f"{'' if begun.quick else 'no '}--quick")
        if (begun.start or {}).get("sha256") != self._start_sha256():
            differences.append(f"{'the same' if begun.start else 'no'} --start-from")
        if differences:
            raise DataError(
                f"Expected to resume {self.run.path} as it began: {'; '.join(differences)}. "
                "Give the same options, or another --out."
            )

    def _start_sha256(self) -> str | None:
        if self.start is None:
            return None
        return self.start.sha256() if self.start.network_file.is_file() else "missing"


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training run."""
    parser.add_argument("--recipe", choices=list(RECIPES), required=True)
    parser.add_argument("--task", choices=list(CLASS_NAMES), help="default: the recipe's own")
    add_sources(parser)
    parser.add_argument(
        "--exclude-near-duplicates-of", nargs="+", type=Path, default=[], metavar="DIR",
        help="leave out every image that has a near-duplicate here, for a leak-free test",
    )  # fmt: skip
    add_audit(parser)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="float32",
                        help="mixed_bfloat16 is faster on processors and GPUs that compute with it")  # fmt: skip
    parser.add_argument("--distribute", action="store_true",
                        help="share each batch among all GPUs or other devices (KERAS_BACKEND=jax)")  # fmt: skip
    parser.add_argument("--weights", default="imagenet", metavar="WEIGHTS",
                        help='"imagenet" (downloads), "random", or the path of a .weights.h5 file')  # fmt: skip
    parser.add_argument("--start-from", type=Path, metavar="RUN",
                        help="continue from another run, or from another cross-validation fold by fold")  # fmt: skip
    parser.add_argument("--epochs", type=int, help="fine-tuning epochs, other than the recipe's")
    parser.add_argument("--rate", type=float, help="peak learning rate of fine-tuning, other than the recipe's")
    parser.add_argument("--input-size", type=_side, metavar="PX",
                        help="side of the network's square input, other than the recipe's; at least 96")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/RECIPE)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few small images, few epochs: a trial of minutes")


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder of an audit."""
    parser.add_argument(
        "--audit", type=Path, metavar="DIR",
        help="folder written by `audit --model`: copies found only by the network's features are near-duplicates too",
    )  # fmt: skip


def request_of(options: argparse.Namespace, default_run: str) -> Request:
    """Return the request chosen by the options of `add_request`."""
    return Request(
        recipe=_recipe(options),
        sources=sources_of(options),
        unseen=Sources(tuple(options.exclude_near_duplicates_of), cache=options.cache, classes=tuple(options.classes)),
        audit=options.audit,
        precision=options.precision,
        weights=options.weights,
        start=RunFolder(options.start_from) if options.start_from else None,
        run=RunFolder(options.out or RUNS / default_run),
        seed=options.seed,
        quick=options.quick,
        distribute=options.distribute,
        bars=sys.stdout.isatty(),
    )


def _recipe(options: argparse.Namespace) -> Recipe:
    recipe = recipe_for(options.recipe, options.task, options.quick)
    if options.epochs:
        averaged = min(recipe.averaged_epochs, -(-options.epochs // 2))
        recipe = dataclasses.replace(recipe, fine_tune_epochs=options.epochs, averaged_epochs=averaged)
    if options.input_size:
        recipe = dataclasses.replace(recipe, input_size_px=options.input_size)
    return dataclasses.replace(recipe, fine_tune_rate=options.rate) if options.rate else recipe


def _side(given: str) -> int:
    """Parse --input-size. Xception needs at least 71 pixels; below 96 a tumor is only a few pixels wide."""
    if not given.isdecimal() or not 96 <= int(given) <= 512:
        raise argparse.ArgumentTypeError(f"Expected a side of 96 to 512 pixels. Received {given!r}.")
    return int(given)
