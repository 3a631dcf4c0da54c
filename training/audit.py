"""Look for what spoils a measurement: copies across splits, contradicting labels, files that are no brain MRI."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import TUMOR_TYPE, write_atomically
from model.classifier import Classifier
from model.preprocessing import preprocess
from model.reading import read_image
from training import plots
from training.boxes import Lesion, lesions_of, read_boxes
from training.dataset import find_pictures
from training.decoding import Decoded, decode
from training.detector_check import check_false_pairs, check_recall
from training.grouping import LEFT_OUT, describe, group, likeness
from training.passes import answers_of
from training.report_html import Section, Table, write_page

# Side of the pictures that are compared; the thumbnails are made of these.
_SIZE_PX = 160
_ROWS_PER_BLOCK = 512
_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Pairs:
    """Near-duplicates: places of two pictures, int64 (n,) each with first < second, and their likeness, float32."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float32]


def audit(
    folders: Sequence[Path], boxes: Path | None, model: Path | None, out: Path, cache: Path | None
) -> dict[str, Any]:
    """Audit the pictures of all folders together; write audit.json, pairs.csv, groups.csv and report.html.

    model: the card of a published model with a gate, to look for pictures that are no brain MRI.

    Raises:
        DataError: the folders hold no pictures.
    """
    found = find_pictures(folders, TUMOR_TYPE)
    decoded = decode(found.pictures, _SIZE_PX, cache)
    lesions = lesions_of(decoded.pictures, read_boxes(boxes))
    described = describe(decoded.pixels, decoded.wholes)
    pairs = find_pairs(described)
    series = np.array([lesion.slice_number if lesion else -1 for lesion in lesions], np.int64)
    groups = group(decoded.pixels, series)
    contents = [hashlib.sha256(p.path.read_bytes()).hexdigest() for p in decoded.pictures]
    distances = _gate_distances(model, decoded)
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        "n_pictures": len(decoded.pictures),
        "problems": [*found.problems, *decoded.problems],
        "by_folder": _counts(decoded),
        "identical_files": int(sum(n - 1 for n in Counter(contents).values())),
        "near_duplicate_pairs": len(pairs.first),
        "across_splits": _across_splits(decoded, pairs),
        "label_conflicts": _conflicts(decoded, pairs, lesions),
        "n_groups": int(groups.max()) + 1,
        "largest_groups": sorted(np.bincount(groups).tolist(), reverse=True)[:5],
        "suspects": [decoded.pictures[i].name for i in np.argsort(-distances) if distances[i] > 1],
        "detector": _detector(decoded, described, lesions),
    }
    write_atomically(out / "audit.json", json.dumps(figures, indent=1).encode())
    write_atomically(out / "pairs.csv", _pairs_table(decoded, pairs, contents).encode())
    write_atomically(out / "groups.csv", _groups_table(decoded, groups, series, distances).encode())
    _report(figures, decoded, pairs, distances, out)
    _print(figures, out)
    return figures


def find_pairs(described: NDArray[np.float32]) -> Pairs:
    """Find all pairs of near-duplicates among described pictures (training.grouping.describe)."""
    firsts, seconds, values = [], [], []
    for start in range(0, described.shape[1], _ROWS_PER_BLOCK):
        alike = likeness(described[:, start : start + _ROWS_PER_BLOCK], described)
        rows, columns = np.nonzero(alike > LEFT_OUT)
        later = columns > rows + start
        firsts.append(rows[later] + start)
        seconds.append(columns[later])
        values.append(alike[rows[later], columns[later]])
    return Pairs(np.concatenate(firsts), np.concatenate(seconds), np.concatenate(values))


def _counts(decoded: Decoded) -> dict[str, int]:
    return dict(sorted(Counter(f"{p.source}/{p.split}/{p.class_name}" for p in decoded.pictures).items()))


def _side(decoded: Decoded, place: int) -> str:
    picture = decoded.pictures[place]
    return f"{picture.source}/{picture.split}"


def _across_splits(decoded: Decoded, pairs: Pairs) -> dict[str, int]:
    """How many pictures of one side have a near-duplicate on another: "A in B"."""
    seen: dict[str, set[int]] = {}
    for first, second in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        for one, other in ((first, second), (second, first)):
            if _side(decoded, one) != _side(decoded, other):
                seen.setdefault(f"{_side(decoded, one)} in {_side(decoded, other)}", set()).add(one)
    return {name: len(places) for name, places in sorted(seen.items())}


def _conflicts(decoded: Decoded, pairs: Pairs, lesions: Sequence[Lesion | None]) -> list[str]:
    pictures = decoded.pictures
    between = [
        f"{pictures[i].name} is {pictures[i].class_name}, "
        f"its near-duplicate {pictures[j].name} {pictures[j].class_name}"
        for i, j in zip(pairs.first, pairs.second, strict=True)
        if pictures[i].class_name != pictures[j].class_name
    ]
    with_source = [
        f"{p.name} is {p.class_name}, its first source says {lesion.class_name}"
        for p, lesion in zip(pictures, lesions, strict=True)
        if lesion and lesion.class_name != p.class_name
    ]
    return between + with_source


def _gate_distances(model: Path | None, decoded: Decoded) -> NDArray[np.float32]:
    if model is None:
        return np.zeros(len(decoded.pixels), np.float32)
    classifier = Classifier.load(model)
    size = classifier.card.input_size_px
    if size == _SIZE_PX:
        return answers_of(classifier, decoded.pixels).distances
    pixels = np.stack([preprocess(read_image(p.path).pixels, size).pixels for p in decoded.pictures])
    return answers_of(classifier, pixels).distances


def _detector(decoded: Decoded, described: NDArray[np.float32], lesions: Sequence[Lesion | None]) -> dict[str, Any]:
    """Recall on a spread of all pictures; false pairs on numbered slices, whose classes come with their patients."""
    spread = np.arange(0, len(decoded.pictures), max(1, len(decoded.pictures) // 400))
    figures: dict[str, Any] = {"recall": check_recall(_read(decoded, spread), _SIZE_PX)}
    numbered = np.flatnonzero([lesion is not None for lesion in lesions])
    if numbered.size:
        classes = [lesion.class_name for lesion in lesions if lesion]
        figures["false_pairs"] = check_false_pairs(described[:, numbered], _read(decoded, numbered), classes)
    return figures


def _read(decoded: Decoded, places: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    return [read_image(decoded.pictures[i].path).pixels for i in places]


def _pairs_table(decoded: Decoded, pairs: Pairs, contents: Sequence[str]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["first", "second", "first_class", "second_class", "likeness", "identical"])
    for i, j, value in zip(pairs.first, pairs.second, pairs.likeness, strict=True):
        one, other = decoded.pictures[i], decoded.pictures[j]
        identical = int(contents[i] == contents[j])
        writer.writerow([one.name, other.name, one.class_name, other.class_name, f"{value:.4f}", identical])
    return table.getvalue()


def _groups_table(
    decoded: Decoded, groups: NDArray[np.int64], series: NDArray[np.int64], distances: NDArray[np.float32]
) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["name", "source", "split", "class_name", "group", "slice_number", "distance"])
    for i, p in enumerate(decoded.pictures):
        number = series[i] if series[i] >= 0 else ""
        writer.writerow([p.name, p.source, p.split, p.class_name, groups[i], number, f"{distances[i]:.3f}"])
    return table.getvalue()


def _report(figures: dict[str, Any], decoded: Decoded, pairs: Pairs, distances: NDArray[np.float32], out: Path) -> None:
    across = [k for k in range(len(pairs.first)) if _side(decoded, pairs.first[k]) != _side(decoded, pairs.second[k])]
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
    }
    for name, places in galleries.items():
        captions = [f"{decoded.pictures[i].name}\n{decoded.pictures[i].class_name}" for i in places]
        if places:
            plots.gallery([decoded.pixels[i] for i in places], captions, out / name)
    recall = figures["detector"]["recall"]
    counted = f"{figures['n_pictures']} pictures, {figures['identical_files']} of them copies byte by byte."
    across_sentence = "Pictures of the first with at least one near-duplicate in the second."
    as_seen = "Each pair side by side, as the network sees them."
    sections = [
        Section("Pictures", (counted,),
                Table(["folder", "pictures"], list(figures["by_folder"].items()))),
        Section("Near-duplicates across folders", (across_sentence,),
                Table(["folders", "pictures"], list(figures["across_splits"].items()))),
        _shown("The least alike pairs across folders", as_seen, galleries, "least_alike.png", out),
        Section("Contradicting labels", figures["label_conflicts"] or ["None."]),
        _shown("Near-duplicates with contradicting labels", "", galleries, "conflicts.png", out),
        _shown("Unlike brain MRI", "The gate would refuse these.", galleries, "suspects.png", out),
        Section("How well near-duplicates are found", (str(figures["detector"].get("false_pairs", "")),),
                Table(["change", "found", "found by a perceptual hash"],
                      [[name, f"{r['found']:.3f}", f"{r['found_by_phash']:.3f}"] for name, r in recall.items()])),
        Section("Unreadable files", figures["problems"] or ["None."]),
    ]  # fmt: skip
    write_page(out / "report.html", "Audit of the data", sections)


def _pair_places(pairs: Pairs, chosen: Sequence[int]) -> list[int]:
    return [int(place) for k in chosen for place in (pairs.first[k], pairs.second[k])]


def _shown(heading: str, sentence: str, galleries: dict[str, list[int]], name: str, out: Path) -> Section:
    pictures = {out / name: heading} if galleries[name] else None
    return Section(heading, (sentence,) if pictures else ("None.",), None, pictures)


def _print(figures: dict[str, Any], out: Path) -> None:
    print(f"{figures['n_pictures']} pictures, {figures['identical_files']} identical files, "
          f"{figures['near_duplicate_pairs']} near-duplicate pairs, {figures['n_groups']} groups")  # fmt: skip
    for name, n in figures["across_splits"].items():
        print(f"  {name}: {n}")
    print(f"{len(figures['label_conflicts'])} label conflicts, {len(figures['suspects'])} suspects")
    for name, recall in figures["detector"]["recall"].items():
        print(f"  {name}: found {recall['found']:.3f}, by a perceptual hash {recall['found_by_phash']:.3f}")
    print(f"  false pairs: {figures['detector'].get('false_pairs')}")
    print(f"{out}/report.html")
