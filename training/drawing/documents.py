"""Write the documents with figures: served models from their cards, earlier networks from docs/studies/data.

The templates are in training/drawing/templates and docs/studies/source. A test regenerates all texts and compares.
"""

import json
import re
from gettext import NullTranslations, translation
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model.card import DEFAULT_MODELS, DISCLAIMER, ModelCard, read_card
from model.safe_files import write_atomically
from training.drawing import plots

TOP = Path(__file__).parents[2]
SERVED = "training/results/served.json"
# The table of figures is between these marks.
READMES = {"README.md": "readme_table.jinja", "docs/fr/README.md": "readme_table.fr.jinja"}
README_BEGIN = "<!-- figures: made by `python -m training study report` -->"
README_END = "<!-- end of figures -->"
_CLASSES_FR = {
    "glioma": "gliome", "meningioma": "méningiome", "pituitary": "tumeur hypophysaire", "no_tumor": "pas de tumeur",
}  # fmt: skip
# The French one has the figures that matter first, and points to the other for the rest.
MODEL_CARDS = {"MODEL_CARD.md": "model_card.md.jinja", "docs/fr/MODEL_CARD.md": "model_card.fr.md.jinja"}
# Which images of an evaluation: the whole published set, and by copies in what the network was trained on.
PARTS = {
    "all": "all images",
    "not_in_training": "without a near-duplicate in the training folders",
    "also_in_training": "with a near-duplicate in the training folders",
}
_SCORES = ("n_pictures", "n_correct", "accuracy", "accuracy_interval", "balanced_accuracy", "macro_f1", "per_class")


def write_documents(top: Path = TOP) -> None:
    """Write every generated text and plot.

    Raises:
        ModelFileError: a card is missing or is not valid.
    """
    cards = read_cards(top)
    for name, text in texts(cards, top).items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(top / name, text.encode())
    for card in cards:
        if measured := trust_measured(card):
            plots.trust(measured, top / trust_plot(card))


def read_cards(top: Path = TOP) -> list[ModelCard]:
    """Read the cards of the served models."""
    return [read_card(top / "model" / "weights" / f"{name}.json") for name in DEFAULT_MODELS]


def texts(cards: list[ModelCard], top: Path = TOP) -> dict[str, str]:
    """Return every generated text, by its path in the repository."""
    pages = Environment(
        loader=FileSystemLoader([top / "training" / "drawing" / "templates", top / "docs" / "studies" / "source"]),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    pages.filters |= {"percent": _percent, "interval": _interval, "decimal": "{:.3f}".format}
    pages.filters |= {"recalls": _recalls, "averages": _averages, "worst_recall": _worst_recall}
    pages.filters |= {"french": _french(top).gettext, "pourcent": _pourcent, "pire_rappel": _pire_rappel}
    pages.globals |= {"parts": PARTS, "disclaimer": DISCLAIMER, "plot": trust_plot, "log": _scorings(top)}
    readmes = {
        name: _with_table((top / name).read_text(encoding="utf-8"), pages.get_template(template).render(cards=cards))
        for name, template in READMES.items()
    }
    data = {file.stem: json.loads(file.read_bytes()) for file in (top / "docs" / "studies" / "data").glob("*.json")}
    studies = {
        f"docs/studies/{file.stem}": pages.get_template(file.name).render(data)
        for file in sorted((top / "docs" / "studies" / "source").glob("*.md.jinja"))
    }
    shared = [limit for limit in cards[0].limits if all(limit in card.limits for card in cards)]
    model_cards = {
        name: pages.get_template(template).render(cards=cards, shared_limits=shared)
        for name, template in MODEL_CARDS.items()
    }
    return {SERVED: served_json(cards), **model_cards, **readmes, **studies}


def served_json(cards: list[ModelCard]) -> str:
    """Return the figures of the served models, on held-out images and on each test set with and without copies."""
    models = [
        {
            **{field: getattr(card, field) for field in ("name", "version", "title", "sha256", "created")},
            "metrics": {name: _scores(metrics) for name, metrics in card.metrics.items() if _scores(metrics)},
        }
        for card in cards
    ]
    text = json.dumps({"models": models}, indent=1, ensure_ascii=False)
    # Lists of numbers on one line, for readers.
    return re.sub(r"\[\s+([^\[\]{}\"]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def _scores(metrics: dict[str, Any]) -> dict[str, Any]:
    parts = {part: _scores(metrics[part]) for part in PARTS if part in metrics}
    return {name: metrics[name] for name in _SCORES if name in metrics} | parts


def trust_measured(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Return a model's trust figures by set of images; empty if it was not calibrated."""
    if "trust" not in card.metrics:
        return {}
    tested = {name: of["trust"] for name, of in card.metrics.items() if "all" in of and "trust" in of}
    return {"validation": card.metrics["trust"], **tested}


def trust_plot(card: ModelCard) -> str:
    """Return the name of a model's trust plot."""
    return f"docs/trust-{card.name}.png"


def _french(top: Path) -> NullTranslations:
    """Return the page's translations of the cards' sentences."""
    return translation("messages", top / "web" / "languages" / "translations", ["fr"], fallback=True)


def _scorings(top: Path) -> list[list[str]]:
    """Return the cells of the log of scorings, in its order."""
    lines = (top / "docs" / "scorings.md").read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| 2")]


def _with_table(readme: str, table: str) -> str:
    before, rest = readme.split(README_BEGIN)
    return f"{before}{README_BEGIN}\n{table}{README_END}{rest.split(README_END)[1]}"


def _percent(share: float | None, digits: int = 1) -> str:
    return "none" if share is None else f"{share:.{digits}%}"


def _pourcent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %".replace(".", ",")


def _interval(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return f"{figures['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _recalls(figures: dict[str, Any]) -> str:
    of_class = {name: of["recall"] for name, of in figures["per_class"].items() if of["recall"] is not None}
    return ", ".join(f"{name} {recall:.2f}" for name, recall in of_class.items())


def _worst_recall(figures: dict[str, Any]) -> str:
    """Return the class with the lowest recall, as text."""
    worst = _worst_class(figures)
    of = figures["per_class"][worst]
    return f"{worst} {_percent(of['recall'])} of {of['n_pictures']}"


def _pire_rappel(figures: dict[str, Any]) -> str:
    worst = _worst_class(figures)
    of = figures["per_class"][worst]
    return f"{_CLASSES_FR[worst]} {_pourcent(of['recall'])} de {of['n_pictures']}"


def _worst_class(figures: dict[str, Any]) -> str:
    of_class = {name: of["recall"] for name, of in figures["per_class"].items() if of["recall"] is not None}
    return min(of_class, key=of_class.__getitem__)


def _averages(figures: dict[str, Any]) -> str:
    """Return averages over the classes, if there are several."""
    several = sum(of["n_pictures"] > 0 for of in figures["per_class"].values()) > 1
    return f"{figures['balanced_accuracy']:.3f}; {figures['macro_f1']:.3f}" if several else "-"
