"""Give MODEL_CARD.md, and README's figures, from the cards in model/weights: every figure there has one source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.card import DISCLAIMER, ModelCard

TOP = Path(__file__).parents[2]
_ETHICS = (
    "The pictures were published by others for research; they carry no names, and nothing is known of the consent of "
    "those whom they show. Ages, sexes, origins, scanners and hospitals are not recorded, so that unfairness towards "
    "any group could not be looked for. Whoever takes an answer for a diagnosis can harm: a missed tumor costs time, a "
    "false one fear. Every answer is shown with its probability, with where the evidence lies, and with this warning."
)
# Cheng's slices stand in figshare and in the collection of Bhuvaji et al.: `cross-validate` counts them as one.
_COLLECTIONS = {
    "series": "figshare (its slices, wherever they were found)",
    "series, kind of tumor alone": "figshare (its slices, wherever they were found), kind of tumor alone",
    "sartaj": "sartaj (without the slices of figshare)",
}
_PARTS = {
    "all": "all pictures",
    "not_in_training": "without a near-duplicate in the training folders",
    "also_in_training": "with a near-duplicate in the training folders",
}

# Studies of networks that `calibrate` never saw.
UNCALIBRATED = {"published_protocol", "published_protocol_1_0_0", "published_protocol_larger_input"}


def model_card(cards: Sequence[ModelCard]) -> str:
    """Give MODEL_CARD.md: one section per card."""
    head = (
        "# Model card\n\nMade by `python -m training report` from the cards beside the weights and training/results; "
        "do not edit.\n\n"
        f"**{DISCLAIMER}**\n\n"
        "In brackets: intervals that hold the true figure in 95 of 100 such sets of pictures. Where it says so they "
        "come from draws of whole groups (copies, neighbours); else they count slices as if they were independent, "
        "and are too narrow where several are of one patient.\n\n"
        "- **AUROC**: the chance that of two pictures, one of the class and one not, the first gets the higher "
        "probability; 0.5 is guessing.\n"
        "- **Expected calibration error**: by how much probabilities differ from how often they come true, on "
        "average. **Brier score**: their mean squared distance from the truth, 0 to 2.\n"
        "- **Certain**: answers given as a class; the others say *uncertain*. **Risk-coverage curve**: the share of "
        "wrong answers among the surest ones, for every share of the pictures; its area is small where sure answers "
        "are right.\n"
        "- **Look of other pictures**: the same slices with grey levels, sharpness, noise and coding of other ones.\n"
        "- **Gate**: the filter that tells what is no brain MRI.\n\n"
    )
    return head + "\n".join(_section(card) for card in cards)


def figures_table(cards: Sequence[ModelCard], studies: dict[str, dict[str, Any]], titles: dict[str, str]) -> str:
    """Give README's table: one row per model or study and set of pictures, whole and without copies."""
    rows = [
        _row(card.name, f"{name}: {label}", figures)
        for card in cards
        for name, metrics in card.metrics.items()
        if name != "trust"
        for key, label in _PARTS.items()
        if (figures := metrics.get(key))
    ]
    rows += [
        _row(titles[name], label, figures)
        for name, study in studies.items()
        for label, figures in _parts_of_study(study).items()
    ]
    return (
        "| model | pictures | number | accuracy (95 % interval) | recall per class |\n|---|---|---|---|---|\n"
        + "".join(rows)
    )


def studies_section(studies: dict[str, dict[str, Any]], titles: dict[str, str]) -> str:
    """Give the part of MODEL_CARD.md on what was measured beside the served models."""
    sections = []
    for name, study in studies.items():
        lines = [f"- {label}: {_line(figures)}\n" for label, figures in _parts_of_study(study).items()]
        if "training" in study:
            training = study["training"]
            known = study.get("not_counted_as_in_training")
            lines.insert(
                0,
                f"- {training['n_networks']} networks of {training['epochs']} epochs, each slice once"
                + (f"; {known} held-out pictures of which training held a copy are not counted" if known else "")
                + ("; they chose each network's epoch.\n" if training.get("epoch_chosen_on_scored") else ".\n"),
            )
        if "all" in study and "trust" in study:
            # Nobody chose the bound of certainty of networks that were never calibrated.
            lines += [f"- {line}\n" for line in _trust_elsewhere(study["trust"])[name in UNCALIBRATED :]]
            if study.get("refused_by_gate") and name not in UNCALIBRATED:
                lines.append(f"- Refused as no brain MRI: {study['refused_by_gate']:.1%}.\n")
        if "accuracy" in study:
            lines.append(f"- {_line(study)}\n")
        if "tumor_presence" in study:
            lines.append(f"- {_presence(study['tumor_presence'])}\n")
        if name == "audit":
            lines = _audit_lines(study)
        if "heatmaps" in study:
            lines = [f"On held-out pictures: {_line(study['validation'])}.\n\n", _trust(study)]
        if "background_only" in study:
            lines = _dissection_lines(study)
        if "gain" in study:
            lines = _comparison_lines(study)
        if "earlier_sha256" in study:
            lines = _blend_lines(study)
        sections.append(f"### {titles[name][0].upper()}{titles[name][1:]}\n\n{''.join(lines)}\n")
    return "\n## Studies\n\n" + "".join(sections) if sections else ""


def _parts_of_study(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The sets of pictures that a study scored, by name."""
    where = "/".join(study.get("data", {}).get("folders", [])) or "training data"
    parts = {f"{where}: {label}": study[key] for key, label in _PARTS.items() if key in study}
    if study.get("training", {}).get("left_out") == "collections":
        parts = {"the left-out collections together": study["all"]}
    return parts | {
        f"of collection {_COLLECTIONS.get(name, name)}": figures
        for name, figures in study.get("by_collection", {}).items()
    }


def _comparison_lines(study: dict[str, Any]) -> list[str]:
    low, high = study["gain_interval"]
    sides = []
    for key, place in (("one", "first"), ("other", "second")):
        recalls = ", ".join(
            f"{name} {figures['recall']:.1%}"
            for name, figures in study[key]["per_class"].items()
            if figures["recall"] is not None
        )
        presence = study[key].get("tumor_presence")
        sides.append(f"- The {place}: {recalls}. {_presence(presence) if presence else ''}".rstrip() + "\n")
    return [
        f"- {study['n_pictures']} slices of {study['n_groups']} groups that both held out: the first is right in "
        f"{study['one']['accuracy']:.1%}, the second in {study['other']['accuracy']:.1%}, {100 * study['gain']:+.1f} "
        f"points ({100 * low:+.1f} to {100 * high:+.1f}, by draws of whole groups; not of trainings).\n",
        f"- Only the first is right in {study['only_one_right']}, only the second in {study['only_other_right']}.\n",
        *sides,
    ]


def _blend_lines(study: dict[str, Any]) -> list[str]:
    def named(share: float) -> str:
        alone = {0.0: "the earlier network alone", 1.0: "the later network alone"}
        return alone.get(share) or f"{share:.0%} of the later network's weights"

    rows = [
        f"- {named(row['share'])}: {row['accuracy']:.1%} of the held-out pictures ("
        + ", ".join(f"{name} {recall:.1%}" for name, recall in row["recall"].items())
        + ").\n"
        for row in study["table"]
    ]
    return [*rows, f"- `blend` takes: {named(study['share'])}.\n"]


def _dissection_lines(study: dict[str, Any]) -> list[str]:
    return [
        f"- {name.replace('_', ' ')}: the class is named right in {study[name]['accuracy']:.1%} of "
        f"{study['n_pictures']} slices ("
        + ", ".join(f"{of_class} {recall:.1%}" for of_class, recall in study[name]["recall"].items())
        + f"), a tumor is seen in {study[name]['called_tumor']:.1%}.\n"
        for name in ("whole", "lesion_only", "background_only")
    ]


def _audit_lines(audit: dict[str, Any]) -> list[str]:
    false = audit["detector"].get("false_pairs", {})
    lines = [
        f"- {audit['n_pictures']} pictures, {audit['identical_files']} identical files, "
        f"{audit['near_duplicate_pairs']} pairs of near-duplicates, {audit['n_groups']} groups.\n",
        *(f"- {name}: {n} pictures have a near-duplicate there.\n" for name, n in audit["across_splits"].items()),
        f"- {len(audit['label_conflicts'])} contradictions between labels.\n",
        "- Copies found after known changes: "
        + ", ".join(f"{name.replace('_', ' ')} {r['found']:.1%}" for name, r in audit["detector"]["recall"].items())
        + ".\n",
    ]
    if false:
        lines.append(
            f"- False pairs: {false['false_pairs']} of {false['n_pairs']} pairs of different classes, so of different "
            "patients.\n"
        )
    return lines + _network_lines(audit)


def _network_lines(audit: dict[str, Any]) -> list[str]:
    if "by_network" not in audit:
        return []
    found = audit["by_network"]
    across = ", ".join(f"{name} {n}" for name, n in found["across_splits"].items())
    return [
        f"- By the features of {found['model']['name']} {found['model']['version']}, more alike than any of "
        f"{found['n_pairs_of_different_classes']} pairs of different classes: {found['pairs']} pairs, "
        f"{found['missed_by_thumbnails']} of which the thumbnails miss, "
        f"copies and neighbouring slices ({across}). Found after known changes: "
        + ", ".join(f"{name.replace('_', ' ')} {share:.1%}" for name, share in found["recall"].items())
        + ".\n",
        f"- Its gate refuses {len(audit['suspects'])} of the pictures; CT slices are among them.\n",
    ]


def _row(model: str, pictures: str, figures: dict[str, Any]) -> str:
    return f"| {model} | {pictures} | {figures['n_pictures']} | {_percent(figures)} | {_recalls(figures)} |\n"


def _presence(presence: dict[str, Any], found: dict[str, Any] | None = None, chosen_here: bool = False) -> str:
    """Say how tumors are told from none; found: the rates at points of other groups, in place of the point's own."""
    if "auroc" not in presence:
        return f"tumor or not: accuracy {presence['accuracy']:.3f}"
    rates = found or presence
    chose = (
        "; at points that other groups chose" if found else "; these pictures chose that point" if chosen_here else ""
    )
    return (
        f"Tumor or not: AUROC {presence['auroc']:.3f}; sensitivity {presence['sensitivity_at_95_specificity']:.3f} at "
        f"a specificity of 0.95; counted as tumor from a probability of {presence['tumor_from']:.2f}, sensitivity "
        f"{rates['sensitivity']:.3f} and specificity {rates['specificity']:.3f} "
        f"({presence['n_with_tumor']} with, {presence['n_without_tumor']} without{chose})."
    )


def _percent(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return f"{figures['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _percentage(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def _recalls(figures: dict[str, Any]) -> str:
    of_class = {name: f["recall"] for name, f in figures["per_class"].items() if f["recall"] is not None}
    return ", ".join(f"{name} {recall:.2f}" for name, recall in of_class.items())


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
        f"### Ethics\n\n{_ETHICS}\n\n"
        f"### Training data\n\n{data}\n{_held_out(card)}"
        f"Base weights: {base['title']} (licence: {base['licence']}). Licence of the weights: {card.licence}.\n\n"
        f"### Figures\n\n{''.join(_figures(name, metrics) for name, metrics in card.metrics.items())}"
        + (f"![Reliability and risk-coverage of {card.name}]({trust_plot(card)})\n\n" if trust_measured(card) else "")
    )


def _held_out(card: ModelCard) -> str:
    """How many of the pictures chose epoch and bounds instead of being learned from."""
    validation = card.metrics.get("validation", {})
    n_held_out = card.recipe.get("data", {}).get("n_validation")
    if n_held_out is None and "trust" not in card.metrics:
        # Cards of version 1.0.0 do not count them; their figures are of all of them.
        n_held_out = validation.get("n_pictures")
    if n_held_out is None:
        return ""
    total = sum(sum(d["n_pictures"].values()) for d in card.training_data)
    return (
        f"Of these {total} pictures {n_held_out} were held out for validation; where figures count each slice once, "
        "these are fewer.\n\n"
    )


def _figures(name: str, metrics: dict[str, Any]) -> str:
    """The validation pictures chose the epoch; an evaluation has parts by overlap with the training data."""
    if name == "trust":
        return _trust(metrics)
    if "all" not in metrics:
        # Of earlier networks, trained without slice numbers, this was counted with copies and neighbouring slices.
        counted = "each slice once" if "n_groups" in metrics else "slices of one patient may stand on both sides"
        chose = "they chose the epoch or the share of the blend"
        return f"**Validation** (held out by group from the training data; {counted}; {chose}): {_line(metrics)}\n\n"
    parts = {key: label for key, label in _PARTS.items() if key in metrics}
    shares = "".join(f"- {label}: {_line(metrics[key])}\n" for key, label in parts.items())
    if "trust" in metrics:
        shares += "".join(f"- {line}\n" for line in _trust_elsewhere(metrics["trust"]))
    return f"**{name}** (every scoring stands in docs/scorings.md):\n\n{shares}\n{_table(metrics, parts)}\n"


def _trust_elsewhere(trust: dict[str, Any]) -> list[str]:
    """The same bounds on pictures that did not choose them."""
    selective, calibrated = trust["selective"], trust["calibration"]
    return [
        f"Certain: {selective['coverage']:.1%} of the pictures, {_percentage(selective['error_among_certain'])} of "
        f"them wrong (of all {selective['error_among_all']:.1%}); area under the risk-coverage curve "
        f"{selective['area_under_risk_coverage']:.3f}"
        # Earlier evaluations counted as certain also what the gate refuses.
        + ("." if selective.get("refused_are_not_certain") else "; before the gate."),
        f"Expected calibration error {calibrated['expected_calibration_error']:.3f}, Brier score "
        f"{calibrated['brier_score']:.3f}.",
        _presence(trust["tumor_presence"]),
    ]


def trust_measured(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Give what was measured of a model's trust, by the set of pictures; nothing where it was not calibrated."""
    if "trust" not in card.metrics:
        return {}
    tested = {
        name: metrics["trust"] for name, metrics in card.metrics.items() if "all" in metrics and "trust" in metrics
    }
    return {"validation": card.metrics["trust"], **tested}


def trust_plot(card: ModelCard) -> str:
    """Name the picture of it, as `report` draws it."""
    return f"docs/trust-{card.name}.png"


def _trust(trust: dict[str, Any]) -> str:
    """Whether the answers can be trusted, as `python -m training calibrate` measured it on the validation pictures."""
    decision, presence, gate, maps = (trust[key] for key in ("decision", "tumor_presence", "gate", "heatmaps"))
    lines = [
        (
            f"Answers are certain from a probability of {decision['uncertain_below']:.2f} on"
            if decision["uncertain_below"] <= 1
            else "No answer is certain"
        )
        + f" (temperature {decision['temperature']:.2f}): {trust['selective']['coverage']:.1%} of the pictures, "
        f"{_percentage(trust['selective']['error_among_certain'])} of them wrong; measured on other "
        "groups than those that chose it" + (", before the gate." if "tumor_found" not in trust else "."),
        f"Expected calibration error {trust['calibration']['expected_calibration_error']:.3f}, Brier score "
        f"{trust['calibration']['brier_score']:.3f}, area under the risk-coverage curve "
        f"{trust['selective']['area_under_risk_coverage']:.3f}, likewise.",
        f"With the look of other pictures: {trust['selective_in_changed_look']['coverage']:.1%} certain, "
        f"{_percentage(trust['selective_in_changed_look']['error_among_certain'])} of them wrong (of all "
        f"{trust['selective_in_changed_look']['error_among_all']:.1%}), expected calibration error "
        f"{trust['calibration_in_changed_look']['expected_calibration_error']:.3f}.",
        _presence(presence, trust.get("tumor_found"), chosen_here=True),
        "Accuracy by collection: "
        + ", ".join(f"{name} {of['accuracy']:.3f} of {of['n_pictures']}" for name, of in trust["by_source"].items())
        + ".",
        "The class changes when the picture is "
        + ", ".join(f"{name.replace('_', ' ')}: {share:.1%}" for name, share in trust["stability"].items())
        + ".",
    ]
    if maps["n_pictures"]:
        by_chance = trust["heatmaps_of_random_weights"].get("hottest_point_in_box")
        n_random = trust["heatmaps_of_random_weights"].get("n_networks", 1)
        n_seen = trust["heatmaps_of_random_weights"].get("n_pictures")
        lines.append(
            f"Heat maps: of {maps['n_pictures']} tumors read correctly the hottest point lies in the lesion's box in "
            f"{maps['hottest_point_in_box']:.1%}, {maps['evidence_in_box']:.1%} of the evidence does; the boxes cover "
            f"{maps['box_share_of_picture']:.1%} of the picture"
            + (
                f", and random weights hit {by_chance:.1%} of {n_seen} (networks: {n_random})."
                if by_chance is not None
                else "."
            )
        )
    if gate["kinds"]:
        extracted = gate.get("refused_extracted")
        n_kinds = sum(not kind["chose_the_bound"] and kind["n_pictures"] > 0 for kind in gate["kinds"].values())
        lines.append(
            f"Not a brain MRI: {gate['accepted_of_test_kinds']:.1%} of {gate['n_of_test_kinds']} pictures of "
            f"{n_kinds} kinds that chose nothing are let "
            f"through; {gate['refused_brain_mri']:.1%} of {gate['n_brain_mri']} brain MRI are refused ("
            + ("by bounds that other groups chose" if gate.get("refused_by_other_groups") else "they chose the bound")
            + f"), {gate['refused_without_skull']:.1%} when their skull is taken off"
            + (f", {extracted:.1%} when the brain is extracted." if extracted is not None else ".")
        )
    once = ", each slice once" if trust.get("each_slice_once") else ""
    if known := trust.get("not_counted_as_in_training"):
        once += f"; {known} of which training holds a copy are not counted"
    return f"**Trust** (validation pictures{once}):\n\n" + "".join(f"- {line}\n" for line in lines) + "\n"


def _table(metrics: dict[str, Any], parts: dict[str, str]) -> str:
    head = "| class |" + "".join(f" recall, {label} |" for label in parts.values()) + " precision | AUROC |\n"
    rule = "|---" * (len(parts) + 3) + "|\n"
    rows = "".join(
        f"| {name} |"
        + "".join(f" {_recall(metrics[key]['per_class'][name])} |" for key in parts)
        + f" {figures['precision']:.3f} | {_auroc(figures)} |\n"
        for name, figures in metrics["all"]["per_class"].items()
    )
    return head + rule + rows


def _recall(figures: dict[str, Any]) -> str:
    return "-" if figures["recall"] is None else f"{figures['recall']:.3f} of {figures['n_pictures']}"


def _auroc(figures: dict[str, Any]) -> str:
    return "-" if figures["auroc"] is None else f"{figures['auroc']:.3f}"


def _line(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    by_groups = f" by draws of {figures['n_groups']} groups" if "n_groups" in figures else ""
    line = (
        f"accuracy {figures['accuracy']:.3f} ({low:.3f} to {high:.3f}{by_groups}, {figures['n_correct']} of "
        f"{figures['n_pictures']})"
    )
    # Averages over the classes say something where there are several.
    if sum(of_class["n_pictures"] > 0 for of_class in figures["per_class"].values()) < 2:
        return line
    return f"{line}, balanced accuracy {figures['balanced_accuracy']:.3f}, macro F1 {figures['macro_f1']:.3f}"


def _counts(n_pictures: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in n_pictures.items())
