"""Write the audit as one page, with the images side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.copies import Pairs, side_of
from training.data.decoded import Decoded
from training.drawing import plots
from training.drawing.page import Section, Table, write_page
from training.figures import share
from training.measure.embedding import AuditFigures

_SHOWN = 12


def write_audit_report(
    figures: AuditFigures,
    decoded: Decoded,
    pairs: Pairs,
    by_network: Pairs,
    distances: NDArray[np.float32],
    out: Path,
) -> None:
    """Write report.html and its galleries into the folder; by_network: pairs that only the network finds."""
    across = [
        k for k in range(len(pairs.first)) if side_of(decoded, pairs.first[k]) != side_of(decoded, pairs.second[k])
    ]
    least = sorted(across, key=lambda k: float(pairs.likeness[k]))[:_SHOWN]
    conflicting = [
        k for k in range(len(pairs.first))
        if decoded.pictures[pairs.first[k]].class_name != decoded.pictures[pairs.second[k]].class_name
    ][:_SHOWN]  # fmt: skip
    suspects = [int(i) for i in np.argsort(-distances)[: 2 * _SHOWN] if distances[i] > 1]
    galleries = {
        "least_alike.png": _pair_places(pairs, least),
        "conflicts.png": _pair_places(pairs, conflicting),
        "suspects.png": suspects,
        "by_network.png": _pair_places(by_network, range(min(_SHOWN, len(by_network.first)))),
    }
    for name, places in galleries.items():
        captions = [f"{decoded.pictures[i].name}\n{decoded.pictures[i].class_name}" for i in places]
        if places:
            plots.gallery([decoded.pixels[i] for i in places], captions, out / name)
    counted = f"{figures.n_pictures} images, {figures.identical_files} of them copies byte by byte."
    across_sentence = "Images of the first with at least one near-duplicate in the second."
    as_seen = "Each pair side by side, as the network sees them."
    found = [[name, share(of.found), share(of.found_by_phash)] for name, of in figures.detector.recall.items()]
    sections = [
        Section("Pictures", (counted,),
                Table(["folder", "images"], list(figures.by_folder.items()))),
        Section("Near-duplicates across folders", (across_sentence,),
                Table(["folders", "images"], list(figures.across_splits.items()))),
        _shown("The least similar pairs across folders", as_seen, galleries, "least_alike.png", out),
        Section("Contradicting labels", figures.label_conflicts or ["None."]),
        _shown("Near-duplicates with contradicting labels", "", galleries, "conflicts.png", out),
        _shown("Copies that only the network finds", "The most similar that thumbnails miss.", galleries,
               "by_network.png", out),
        _shown("Unlike brain MRI", "The gate would refuse these.", galleries, "suspects.png", out),
        Section("How well near-duplicates are found", (str(figures.detector.false_pairs or ""),),
                Table(["change", "found", "found by a perceptual hash"], found)),
        Section("Unreadable files", figures.problems or ["None."]),
    ]  # fmt: skip
    write_page(out / "report.html", "Audit of the data", sections)


def _pair_places(pairs: Pairs, chosen: Sequence[int]) -> list[int]:
    return [int(place) for k in chosen for place in (pairs.first[k], pairs.second[k])]


def _shown(heading: str, sentence: str, galleries: dict[str, list[int]], name: str, out: Path) -> Section:
    pictures = {out / name: heading} if galleries[name] else {}
    return Section(heading, (sentence,) if pictures else ("None.",), pictures=pictures)
