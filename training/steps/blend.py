"""Average the weights of a run with those of the run that it went on from: a network between the two.

Going on with many covered lesions teaches to look for the lesion, and forgets some of what it knew. Between the weights
before and after lie networks that have most of both. The share is chosen on validation pictures alone.

Source: robust fine-tuning by weight-space ensembles, Wortsman et al. 2022, arXiv:2109.01903.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.safe_files import sha256_of, write_atomically
from training.data.boxes import boxes_in_input, lesions_of, read_boxes
from training.data.decoded import Decoded
from training.data.folders import DataError
from training.data.split import FILE
from training.feed.alike_views import AlikeViews
from training.feed.lesions import Synthesis, replace_lesion
from training.fit import networks
from training.fit.checkpoints import require_empty, save_network
from training.steps.calibrate import read_split
from training.steps.card_of_run import card_of_run

SHARES = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
# What validation accuracy may lose for a network that reads the lesion rather than the look.
ALLOWED_LOSS = 0.01


def blend(
    run: Path, earlier: Path, folders: Sequence[Path], boxes: Path, out: Path, cache: Path | None, seed: int = 0
) -> dict[str, Any]:
    """Write a run whose network has the largest share of `run` that costs at most ALLOWED_LOSS of accuracy.

    Raises:
        DataError: the runs do not belong together, the folders do not hold their pictures, or `out` is in use.
    """
    require_empty(out)
    card = card_of_run(run)
    config = json.loads((run / "config.json").read_text())
    if (config.get("start") or {}).get("sha256") != sha256_of(earlier / "best.keras"):
        raise DataError(f"Expected the run that {run} went on from. Received {earlier}, which is another one.")
    validation = read_split(run, folders, boxes, card, cache).validation
    labels, healthy = validation.labels(card.class_names), card.class_names.index("no_tumor")
    covered, covered_labels = covered_lesions(validation, labels, healthy, boxes, seed)
    table = []
    for share in SHARES:
        network = between(earlier, run, share)
        row = _measure(network, validation, labels, covered, covered_labels, healthy, card.class_names)
        table.append({"share": share, **row})
        print(json.dumps(table[-1]))
    chosen = choose_share(table)
    blended = {
        "share": chosen,
        "earlier_sha256": sha256_of(earlier / "best.keras"),
        "later_sha256": sha256_of(run / "best.keras"),
        "table": table,
    }
    _write_run(between(earlier, run, chosen), run, out, config, blended)
    print(f"share {chosen} of {run.name}; the run is in {out}")
    return {"share": chosen, "table": table}


def choose_share(table: Sequence[dict[str, Any]]) -> float:
    """Give the largest share whose validation accuracy is within ALLOWED_LOSS of the best."""
    best = max(row["accuracy"] for row in table)
    return max(float(row["share"]) for row in table if row["accuracy"] >= best - ALLOWED_LOSS)


def covered_lesions(
    validation: Decoded, labels: NDArray[np.int64], healthy: int, boxes: Path, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cover the lesions of validation pictures from other validation pictures of the same view, where there are any.

    Returns uint8 (n, size, size), and the labels that the lesions had, int64 (n,).

    Raises:
        DataError: no lesion could be covered.
    """
    random = np.random.default_rng(seed)
    found = boxes_in_input(validation, lesions_of(validation.pictures, read_boxes(boxes)))
    alike = AlikeViews(validation.pixels, found, labels == healthy)
    pictures, kept = [], []
    for i in np.flatnonzero(np.isfinite(found[:, 0])):
        drawn = alike.draw(validation.pixels[i], found[i], random)
        if drawn is not None:
            other = validation.pixels[drawn[0]]
            other = other[:, ::-1] if drawn[1] else other
            pictures.append(replace_lesion(validation.pixels[i], found[i], other, Synthesis(), random).astype(np.uint8))
            kept.append(labels[i])
    if not pictures:
        raise DataError(
            f"Expected boxes of the validation pictures' lesions in {boxes}. None of them could be covered: give the "
            "table that the run was trained with."
        )
    return np.stack(pictures), np.array(kept, np.int64)


def _measure(
    network: keras.Model, validation: Decoded, labels: NDArray[np.int64], covered: NDArray[np.uint8],
    covered_labels: NDArray[np.int64], healthy: int, class_names: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    said = _classes(network, validation.pixels)
    of_covered = _classes(network, covered)
    return {
        "accuracy": float((said == labels).mean()),
        "recall": {name: float((said[labels == i] == i).mean()) for i, name in enumerate(class_names)},
        # A glioma reaches beyond what is covered; of the others, nothing is left.
        "covered_called_healthy": {
            name: float((of_covered[covered_labels == i] == healthy).mean())
            for i, name in enumerate(class_names)
            if np.any(covered_labels == i)
        },
        "n_covered": len(covered_labels),
    }


def _classes(network: keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    said = network.predict(pixels[..., None].astype(np.float32), verbose=0)
    return np.asarray(said.argmax(axis=1), np.int64)


def between(earlier: Path, later: Path, share: float) -> keras.Model:
    """Give a new network with so much of the later run's weights; one that has predicted may keep its old ones."""
    networks_of_both = [keras.saving.load_model(run / "best.keras", compile=False) for run in (earlier, later)]
    old, new = ([np.asarray(weights) for weights in network.get_weights()] for network in networks_of_both)
    blended = networks_of_both[1]
    blended.set_weights([(1 - share) * before + share * after for before, after in zip(old, new, strict=True)])
    return blended


def _write_run(network: keras.Model, run: Path, out: Path, config: dict[str, Any], blended: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    networks.round_weights(network)
    save_network(network, out, packed=True)
    write_atomically(out / "config.json", json.dumps({**config, "blended": blended}, indent=1).encode())
    write_atomically(out / "blend.json", json.dumps(blended, indent=1).encode())
    for name in (FILE, "history.csv"):
        shutil.copyfile(run / name, out / name)
