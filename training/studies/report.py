"""Gather every figure in one file, training/results/results.json, and write from it what people read.

MODEL_CARD.md, README's tables and the plots in docs/ are made here; the page and the API show the cards' own
metrics, which are the same objects. A test makes the texts again and compares.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.card import ModelCard, read_card
from model.safe_files import write_atomically
from training.data.folders import DataError
from training.drawing import plots
from training.studies.attempts import draw_attempts
from training.studies.model_card import TOP, figures_table, model_card, studies_section, trust_measured, trust_plot

RESULTS = TOP / "training" / "results"
READMES = ("README.md", "docs/fr/README.md")
README_BEGIN = "<!-- figures: made by `python -m training report` -->"
README_END = "<!-- end of figures -->"
# Studies beside the served models: the name of each file, and what it is in words.
STUDIES = {
    "published_protocol_1_0_0": "xception 1.0.0, trained on the Training folder alone (published protocol)",
    "xception_2_0_2": "xception 2.0.2, of four steps, trained on the three collections (leak-free)",
    "xception_2_0_2_trust": "what `calibrate` measured of that network",
    "leak_free": "xception's recipe in one go on the three collections (leak-free), not published",
    "leak_free_trust": "what `calibrate` measured of that one",
    "leak_free_vgg16": "vgg16's recipe on the data of xception 2.0, not published",
    "leak_free_vgg16_trust": "what `calibrate` measured of that vgg16, with copies of slices and of training pictures",
    "published_protocol": "xception's recipe at 160 px on the Training folder alone (published protocol)",
    "published_protocol_larger_input": "xception's recipe at 208 px on the Training folder alone (published protocol)",
    "published_protocol_validation": "the network of 160 px on its held-out pictures, with copies",
    "published_protocol_larger_input_validation": "the network of 208 px on its held-out pictures, with copies",
    "published_protocol_longer": "the network of 160 px gone on with for twelve epochs, on the same held-out pictures",
    "cross_validation": "xception's recipe at 160 px, sixteen epochs, grouped cross-validation",
    "cross_validation_shorter": "the same cross-validation before its last eight epochs",
    "cross_validation_larger_input": "xception's recipe at 208 px, eight epochs, grouped cross-validation",
    "served_and_folds": "the three networks of eight epochs (the first) and xception 2.0.2 (the second)",
    "leak_free_and_folds": "the three networks of eight epochs (the first) and the recipe in one go (the second)",
    "larger_input": "an input of 160 px (the first) against one of 208 px (the second), eight epochs",
    "larger_input_or_longer": "sixteen epochs at 160 px (the first) against eight at 208 px (the second)",
    "larger_input_going_on": "xception 2.0.2 (the first) and the same gone on with at 208 px (the second)",
    "larger_input_longer": "160 px (the first) against 208 px (the second), fourteen epochs, one network each",
    "larger_input_and_folds": "the three networks of eight epochs (the first) and an earlier one of fourteen at 208 px",
    "leave_one_collection_out": "xception's recipe at 160 px, four epochs, one collection left out at a time",
    "dissection_before": "what xception 1.0.0 read: figshare's folder with lesion or background covered",
    "dissection_2_0_2": "what xception 2.0.2 read: validation slices with lesion or background covered",
    "dissection": "what the served xception reads: validation slices with lesion or background covered",
    "healthy_head": "a healthy head of no collection (T1), asked of xception 2.1.0",
    "healthy_head_2_0_2": "the same of xception 2.0.2",
    "second_healthy_head": "another healthy head of no collection (proton density), asked of xception 2.1.0",
    "second_healthy_head_2_0_2": "the same of xception 2.0.2",
    "healthy_brains": "healthy brains of no collection, extracted from their heads, asked of xception 2.1.0",
    "healthy_brains_2_0_2": "the same of xception 2.0.2",
    "leak_free_larger_input_trust": "what `calibrate` measured of the first step of xception 2.1.0, fourteen epochs",
    "served_again": "xception 2.1.0 scored once more, its certain answers counted after its gate",
    "served_again_trust": "what `calibrate` measures of xception 2.1.0 as it counts now (its card: as it counted then)",
    "going_on_with_covering": "xception 2.1.0, the same gone on with for seven epochs, and means of both",
    "larger_input_healthy_head": "the healthy head (T1), asked of that first step",
    "larger_input_healthy_brains": "the extracted brains, asked of that first step",
    "audit": "audit of the data",
}

# Details, and how the served networks and the best of each protocol came about: README has those themselves.
_IN_MODEL_CARD_ALONE = {
    "cross_validation_shorter", "healthy_head", "healthy_head_2_0_2",
    "second_healthy_head", "second_healthy_head_2_0_2", "healthy_brains", "healthy_brains_2_0_2",
    "larger_input_healthy_head", "larger_input_healthy_brains", "published_protocol_1_0_0", "xception_2_0_2",
    "leak_free", "leak_free_vgg16", "published_protocol", "served_again",
}  # fmt: skip


def write_report(card_files: Sequence[Path], added: dict[str, Path], top: Path = TOP) -> None:
    """Take studies into training/results, then write results.json, MODEL_CARD.md and README's tables.

    added: a JSON file of evaluate, cross-validate or audit for each study that is new.

    Raises:
        ModelFileError: a card is missing or not one. DataError: a study is unknown or its file no JSON.
    """
    folder = top / "training" / "results"
    for name, file in added.items():
        write_atomically(folder / f"{name}.json", (json.dumps(_read_study(name, file), indent=1) + "\n").encode())
    cards = [read_card(file) for file in card_files]
    studies = read_studies(folder)
    write_atomically(folder / "results.json", results_json(cards, studies).encode())
    write_atomically(top / "MODEL_CARD.md", (model_card(cards) + studies_section(studies, STUDIES)).encode())
    for card in cards:
        if measured := trust_measured(card):
            plots.trust(measured, top / trust_plot(card))
    draw_attempts(top / "docs" / "scorings.md", "xception", top / "docs" / "attempts.png")
    table = figures_table(cards, in_readme(studies), STUDIES)
    for readme in (top / name for name in READMES):
        before, rest = readme.read_text(encoding="utf-8").split(README_BEGIN)
        write_atomically(readme, f"{before}{README_BEGIN}\n{table}{README_END}{rest.split(README_END)[1]}".encode())


def read_studies(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Read the studies that are there, in the order of STUDIES."""
    files = {name: folder / f"{name}.json" for name in STUDIES}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()}


def in_readme(studies: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Leave out what MODEL_CARD.md alone has."""
    return {name: study for name, study in studies.items() if name not in _IN_MODEL_CARD_ALONE}


def results_json(cards: Sequence[ModelCard], studies: dict[str, dict[str, Any]]) -> str:
    """Give the one file of all figures."""
    models = [json.loads(card.to_json()) for card in cards]
    fields = ("name", "version", "title", "sha256", "created", "decision", "metrics")
    results = {"models": [{field: model[field] for field in fields} for model in models], "studies": studies}
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def _read_study(name: str, file: Path) -> Any:
    if name not in STUDIES:
        raise DataError(f"Expected a study among {', '.join(STUDIES)}. Received {name!r}.")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"Expected the JSON file of a study at {file}. It cannot be read: {error}.") from error
