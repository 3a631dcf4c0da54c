"""Fine-tuning: the head and the upper blocks of the base learn from drawn images."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES
from model.network.features import FeatureGrid
from training.feed.devices import equal_shares
from training.feed.mixing import MixedPictures, place_targets
from training.fit import networks
from training.fit.checkpoints import Progress, SaveEachEpoch, read_average
from training.fit.material import Material
from training.fit.places import PLACES_LAYER, PlacesCrossentropy, PointingLoss, SetCrossentropy, with_places
from training.fit.request import Request
from training.fit.run_folder import RunFolder
from training.recipes import Recipe

# Number of validation images for the loss after each epoch, which chooses nothing.
MOST_WATCHED = 400


def fine_tune(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Train the head and the upper blocks of the base, and take the mean of the last epochs' weights."""
    recipe, run = request.recipe, request.run
    twin = network
    if request.precision != "float32":
        twin = networks.build(recipe, "random", request.precision)
        twin.set_weights(network.get_weights())
    networks.unfreeze(twin, recipe.fine_tune_from)
    saving = SaveEachEpoch(run, network, progress, recipe.fine_tune_epochs - recipe.averaged_epochs, twin)
    if progress.finished_epochs < recipe.fine_tune_epochs:
        _fit(twin, request, material, progress, saving)
    assert progress.average_file, "the last epoch is averaged"
    network.set_weights(read_average(run.path / progress.average_file))
    run.save_network(network)
    progress.finish(run)


def fine_tuning_batches(
    request: Request, material: Material, network: keras.Model, progress: Progress
) -> MixedPictures:
    """Return the batches of the remaining epochs. A run that resumes, or starts from another, never repeats a draw."""
    recipe, training = request.recipe, material.split.training
    seed, epoch = request.seed + 1, _earlier_epochs(request.start) + progress.finished_epochs
    grid = FeatureGrid.of_network(network, recipe.feature_layer)
    return MixedPictures(material.known.subset(training), recipe, grid, seed, epoch)


def _earlier_epochs(start: RunFolder | None) -> int:
    """Return the number of epochs of the runs that this one starts from."""
    return start.read_config().epochs if start else 0


def _validation(recipe: Recipe, material: Material, network: keras.Model) -> tuple[NDArray[np.float32], Any]:
    watched = _watched(material)
    chosen = material.known.subset(material.split.validation[watched])
    targets = _targets(material, recipe)[watched]
    pixels = chosen.pixels[..., None].astype(np.float32)
    if not recipe.places_weight:
        return pixels, targets
    grid = FeatureGrid.of_network(network, recipe.feature_layer)
    places = [place_targets(chosen.outlines[i], targets[i], chosen.healthy, grid) for i in range(len(targets))]
    return pixels, {"probabilities": targets, PLACES_LAYER: np.stack(places)}


def _watched(material: Material) -> NDArray[np.int64]:
    n = len(material.split.validation)
    return equal_shares(np.linspace(0, n - 1, min(n, MOST_WATCHED)).round().astype(np.int64))


def _targets(material: Material, recipe: Recipe) -> NDArray[np.float32]:
    return np.eye(len(CLASS_NAMES[recipe.task]), dtype=np.float32)[material.labels[material.split.validation]]


def _fit(
    network: keras.Model, request: Request, material: Material, progress: Progress, saving: keras.callbacks.Callback
) -> None:
    """Train after the last finished epoch; `saving` saves each epoch."""
    recipe = request.recipe
    batches = fine_tuning_batches(request, material, network, progress)
    trainee = with_places(network, recipe.feature_layer) if recipe.places_weight else network
    _compile(trainee, recipe, len(batches))
    if progress.weights_file:
        trainee.optimizer.build(trainee.trainable_variables)
        trainee.load_weights(request.run.path / progress.weights_file)
    trainee.fit(
        batches, validation_data=_validation(recipe, material, network), epochs=recipe.fine_tune_epochs,
        initial_epoch=progress.finished_epochs, callbacks=[saving], verbose=1 if request.bars else 2,
        batch_size=recipe.batch_size,
    )  # fmt: skip


def _compile(trainee: keras.Model, recipe: Recipe, n_batches: int) -> None:
    """Compile with Adam; the rate warms up over a twentieth of the steps, then falls along a cosine."""
    steps, rate = recipe.fine_tune_epochs * n_batches, recipe.fine_tune_rate
    schedule = keras.optimizers.schedules.CosineDecay(
        0.1 * rate, steps - steps // 20, alpha=recipe.last_rate_share, warmup_target=rate, warmup_steps=steps // 20,
    )  # fmt: skip
    two_outputs = isinstance(trainee.output, dict)
    trainee.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=losses_of(recipe) if two_outputs else SetCrossentropy(recipe.label_smoothing),
        loss_weights={"probabilities": 1.0, PLACES_LAYER: recipe.places_weight} if two_outputs else None,
        metrics={"probabilities": ["accuracy"]} if two_outputs else ["accuracy"],
        # TensorFlow's XLA is several times slower on processors.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )


def losses_of(recipe: Recipe) -> dict[str, keras.losses.Loss]:
    """Return the losses of the answer and of the places."""
    no_tumor = CLASS_NAMES[recipe.task].index("no_tumor")
    of_places = PlacesCrossentropy(no_tumor) if recipe.decides_at_places else PointingLoss(no_tumor)
    return {"probabilities": SetCrossentropy(recipe.label_smoothing), PLACES_LAYER: of_places}
