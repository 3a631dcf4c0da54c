"""Making training images against what the network takes in the same time.

`python -m benchmarks.measured.pipeline N_PICTURES N_ROUNDS QUICK` measures, on TensorFlow, and prints JSON.
"""

import json
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers.processes import on_tensorflow
from benchmarks.timing import Ratio, Sample, in_turn, seconds_of

_PIPELINE = "pipeline"
_PRECISIONS = ("float32", "mixed_bfloat16")
_BATCHES_PER_TURN = 2


def measure(plan: Plan) -> list[Finding]:
    """Measure fine-tuning of the Xception recipe; what counts is the precision in which the network takes more."""
    taken = on_tensorflow("benchmarks.measured.pipeline", *((24, 1, 1) if plan.quick else (240, 6, 0)))
    rates = {name: Sample(tuple(values)) for name, values in taken.items()}
    fastest = max((name for name in rates if name != _PIPELINE), key=lambda name: rates[name].median)
    note = (
        "Images are made one by one, as in training: pasted lesions, borrowed looks, augmentation and boxes. The "
        f"network is Xception with random weights: passes and updates on a ready batch in {fastest}."
    )
    return [
        Finding.of_ratio("pipeline", Ratio(rates[_PIPELINE], rates[fastest]), notes=(note,),
                         samples={f"{name}, images/s": sample for name, sample in rates.items()})
    ]  # fmt: skip


def _main(n_pictures: int, n_rounds: int, quick: bool) -> None:
    # Chooses TensorFlow, so it is imported only in the process started for it.
    from training.recipes import recipe_for

    recipe = recipe_for("xception", None, quick)
    batches = _batches(recipe, n_pictures)
    places = count()

    def made() -> None:
        for _ in range(_BATCHES_PER_TURN):
            batches[next(places) % len(batches)]

    actions: dict[str, Callable[[], object]] = {_PIPELINE: made}
    for precision in _PRECISIONS[:1] if quick else _PRECISIONS:
        actions[precision] = _training(recipe, precision, batches[0])
    n = _BATCHES_PER_TURN * recipe.batch_size
    taken = in_turn({name: _rate(action, n) for name, action in actions.items()}, n_rounds)
    print(json.dumps({name: sample.values for name, sample in taken.items()}))


def _rate(action: Callable[[], object], n: int) -> Callable[[], float]:
    return lambda: n / seconds_of(action)


def _batches(recipe: Any, n_pictures: int) -> Any:
    from benchmarks.measured.drawn_pictures import labelled
    from model.network.features import FeatureGrid
    from training.feed.mixing import MixedPictures
    from training.fit import networks

    grid = FeatureGrid.of_network(networks.build(recipe, "random"), recipe.feature_layer)
    return MixedPictures(labelled(n_pictures, recipe.input_size_px), recipe, grid, seed=0, first_epoch=0)


def _training(recipe: Any, precision: str, batch: Any) -> Callable[[], object]:
    """Return what trains on the same batch a few times, set up as training.steps.train does."""
    import keras

    from training.fit import networks
    from training.fit.fine_tuning import losses_of
    from training.fit.places import PLACES_LAYER, with_places

    network = networks.build(recipe, "random", precision)
    networks.unfreeze(network, recipe.fine_tune_from)
    trainee = with_places(network, recipe.feature_layer)
    trainee.compile(
        optimizer=keras.optimizers.Adam(recipe.fine_tune_rate),
        loss=losses_of(recipe),
        loss_weights={"probabilities": 1.0, PLACES_LAYER: recipe.places_weight},
        jit_compile=False,
    )

    def train() -> None:
        for _ in range(_BATCHES_PER_TURN):
            trainee.train_on_batch(*batch)

    return train


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
