"""Training on cached features against training through the frozen layers each time.

`python -m benchmarks.measured.frozen_phase N_PICTURES N_ROUNDS QUICK` measures, on TensorFlow, and prints JSON.
"""

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers.processes import on_tensorflow
from benchmarks.timing import Ratio, Sample, in_turn

_CACHED, _UNCACHED = "cached features", "no cache"
# The layer at which nothing of the base is left to learn.
_BASE_END = "block5_pool"
# Images that go through the whole network in one turn: it is some hundred times slower.
_UNCACHED_SHARE = 10


def measure(plan: Plan) -> list[Finding]:
    """Measure with only the head learning, and the recipe as it is."""
    taken = on_tensorflow("benchmarks.measured.frozen_phase", *((48, 1, 1) if plan.quick else (400, 5, 0)))
    ratios = {
        kind: Ratio(*(Sample(tuple(rates[name])) for name in (_CACHED, _UNCACHED))) for kind, rates in taken.items()
    }
    as_it_is, head_alone = ratios["recipe"], ratios["head alone"]
    samples = {
        f"{kind}, {name}, pictures/s": sample
        for kind, ratio in ratios.items()
        for name, sample in ((_CACHED, ratio.over), (_UNCACHED, ratio.under))
    }
    note = (
        "VGG16 with random weights and the whole base frozen, the head alone learning on its cached features; whole "
        "epochs from the second on; without a cache the same head trains on newly augmented images. The shipped "
        "recipe does not freeze all: it also trains the three convolutions behind the layer that it caches, which "
        f"leaves a ratio of {as_it_is.value:.3g}."
    )
    return [Finding.of_ratio("frozen-phase", head_alone, samples=samples, notes=(note,),
                             facts={"as_the_recipe": as_it_is.value})]  # fmt: skip


def _main(n_pictures: int, n_rounds: int, quick: bool) -> None:
    # Chooses TensorFlow, so it is imported only in the process started for it.
    from training.recipes import recipe_for

    recipe = recipe_for("vgg16", None, quick)
    kinds = {"recipe": recipe, "head alone": dataclasses.replace(recipe, cached_layer=_BASE_END)}
    print(json.dumps({kind: _rates(chosen, n_pictures, n_rounds) for kind, chosen in kinds.items()}))


def _rates(recipe: Any, n_pictures: int, n_rounds: int) -> dict[str, tuple[float, ...]]:
    import keras

    from benchmarks.measured.drawn_pictures import decoded
    from training.feed.batches import AugmentedPictures, FeatureBatches
    from training.feed.frozen_features import cached_features
    from training.fit import networks

    network = networks.build(recipe, "random")
    for layer in network.layers[: network.layers.index(network.get_layer(recipe.cached_layer)) + 1]:
        layer.trainable = False
    cut = network.get_layer(recipe.cached_layer).output
    frozen, upper = keras.Model(network.input, cut), keras.Model(cut, network.output)
    pictures = decoded(n_pictures, recipe.input_size_px)
    labels = pictures.labels(("no_tumor", "tumor"))
    few = max(recipe.batch_size, n_pictures // _UNCACHED_SHARE)
    settings = {"n_classes": 2, "batch_size": recipe.batch_size, "seed": 0, "first_epoch": 0}
    with tempfile.TemporaryDirectory() as folder:
        features = cached_features(
            frozen, pictures, recipe.frozen_views, recipe.augmentation, recipe.batch_size, 0,
            Path(folder, "features.npy"),
        )  # fmt: skip
    trainees = {
        _CACHED: (upper, FeatureBatches(features, labels, **settings)),
        _UNCACHED: (network, AugmentedPictures(pictures.pixels[:few], labels[:few], recipe.augmentation, **settings)),
    }
    measures = {}
    for name, (trainee, batches) in trainees.items():
        trainee.compile(keras.optimizers.Adam(recipe.frozen_rate), "categorical_crossentropy", metrics=["accuracy"],
                        jit_compile=False)  # fmt: skip
        measures[name] = _epoch(trainee, batches, recipe.batch_size)
    return {name: sample.values for name, sample in in_turn(measures, n_rounds).items()}


def _epoch(trainee: Any, batches: Any, batch_size: int) -> Any:
    """Return what trains for an epoch and tells the images per second of it, without what `fit` does before."""
    import keras

    def rate() -> float:
        marks: list[float] = []
        watch = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: marks.append(time.perf_counter()),
            on_epoch_end=lambda *_: marks.append(time.perf_counter()),
        )
        trainee.fit(batches, epochs=1, verbose=0, callbacks=[watch])
        return len(batches) * batch_size / (marks[1] - marks[0])

    return rate


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
