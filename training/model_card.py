"""Write MODEL_CARD.md from the cards in model/weights: every figure there has one source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.card import DISCLAIMER, ModelCard, read_card, write_atomically

MODEL_CARD = Path(__file__).parent.parent / "MODEL_CARD.md"
_PARTS = {
    "all": "all pictures",
    "not_in_training": "without a near-duplicate in the training data",
    "also_in_training": "with a near-duplicate in the training data",
}


def write_model_card(cards: Sequence[Path], file: Path = MODEL_CARD) -> None:
    """Write one section per card.

    Raises:
        ModelFileError: a card is missing or not one.
    """
    sections = [_section(read_card(path)) for path in cards]
    head = (
        "# Model card\n\nMade by `python -m training card` from the cards beside the weights; do not edit.\n\n"
        f"**{DISCLAIMER}**\n\n"
    )
    write_atomically(file, (head + "\n".join(sections)).encode())


def _section(card: ModelCard) -> str:
    data = "".join(
        f"- {d['title']} ({d.get('source', 'source not known')}; licence: {d['licence']}). Pictures: "
        f"{_counts(d['n_pictures'])}. Fingerprint `{d['fingerprint'][:16]}`.\n"
        for d in card.training_data
    )
    base = card.base_weights
    return (
        f"## {card.name} {card.version}: {card.title.lower()}\n\n"
        f"Keras {base['architecture']}, input one grey slice cropped to the head, {card.input_size_px} x "
        f"{card.input_size_px} px (preprocessing version {card.preprocessing_version}). Classes: "
        f"{', '.join(card.class_names)}. File `{card.weights_file}`, SHA-256 `{card.sha256}`, made {card.created}.\n\n"
        f"### Intended use\n\n{card.intended_use}\n\n"
        f"### What it cannot do\n\n{''.join(f'- {limit}{chr(10)}' for limit in card.limits)}\n"
        f"### Training data\n\n{data}\n"
        f"Base weights: {base['title']} (licence: {base['licence']}). Licence of the weights: {card.licence}.\n\n"
        f"### Figures\n\n{''.join(_figures(name, metrics) for name, metrics in card.metrics.items())}"
    )


def _figures(name: str, metrics: dict[str, Any]) -> str:
    """The validation pictures chose the epoch; an evaluation has parts by overlap with the training data."""
    if "all" not in metrics:
        return f"**Validation** (held out by group from the training data; it chose the epoch): {_line(metrics)}\n\n"
    parts = {key: label for key, label in _PARTS.items() if key in metrics}
    shares = "".join(f"- {label}: {_line(metrics[key])}\n" for key, label in parts.items())
    return f"**{name}**, scored once:\n\n{shares}\n{_table(metrics, parts)}\n"


def _table(metrics: dict[str, Any], parts: dict[str, str]) -> str:
    head = "| class |" + "".join(f" recall, {label} |" for label in parts.values()) + " precision | AUROC |\n"
    rule = "|---" * (len(parts) + 3) + "|\n"
    rows = "".join(
        f"| {name} |"
        + "".join(f" {_recall(metrics[key]['per_class'][name])} |" for key in parts)
        + f" {figures['precision']:.3f} | {figures['auroc']:.3f} |\n"
        for name, figures in metrics["all"]["per_class"].items()
    )
    return head + rule + rows


def _recall(figures: dict[str, Any]) -> str:
    return "-" if figures["recall"] is None else f"{figures['recall']:.3f} of {figures['n_pictures']}"


def _line(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return (
        f"accuracy {figures['accuracy']:.3f} ({low:.3f} to {high:.3f}, {figures['n_correct']} of "
        f"{figures['n_pictures']}), balanced accuracy {figures['balanced_accuracy']:.3f}, "
        f"macro F1 {figures['macro_f1']:.3f}"
    )


def _counts(n_pictures: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in n_pictures.items())
