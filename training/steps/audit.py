"""Find what spoils a measurement: copies across splits, contradicting labels, files that are not brain MRI."""

import argparse
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES, TUMOR_TYPE
from model.preprocessing import preprocess
from model.reading.one_file import read_image
from model.safe_files import sha256_of, write_atomically
from training.data.audit_result import GROUPS_FILE, NETWORK, PAIRS_FILE, THUMBNAILS
from training.data.boxes import Lesion
from training.data.copies import LEFT_OUT, Pairs, describe, find_pairs, group, likeness, pairs_above, side_of
from training.data.decoded import COMPARED_SIZE_PX, Decoded
from training.data.sources import Sources, add_sources, sources_of
from training.drawing.audit_page import write_audit_report
from training.fit.run_folder import RUNS
from training.measure.copies_found import check_false_pairs, check_recall
from training.measure.embedding import AuditFigures, ByNetwork, Detector, Embedding


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: folders, and a network that helps to search."""
    add_sources(parser)
    parser.add_argument("--task", choices=list(CLASS_NAMES), default=TUMOR_TYPE, help="which class folders are read")
    parser.add_argument("--model", type=Path, metavar="CARD", help="a published model whose gate finds outsiders")
    parser.add_argument("--out", type=Path, default=RUNS / "audit", metavar="DIR")


def run(options: argparse.Namespace) -> None:
    """Audit."""
    audit(sources_of(options), options.model, options.out, options.task)


def audit(sources: Sources, model: Path | None, out: Path, task: str = TUMOR_TYPE) -> AuditFigures:
    """Audit the images of all folders together; write audit.json, pairs.csv, groups.csv and report.html.

    model: the card of a published model with a gate. It finds images that are not brain MRI and, if slices are
    numbered, copies by its features. task: decides which class folders are read.

    Raises:
        DataError: the folders have no images.
    """
    found = sources.find(task)
    decoded = sources.decode(found.pictures, COMPARED_SIZE_PX)
    lesions, series = sources.lesions(decoded.pictures), sources.series(decoded.pictures)
    described = describe(decoded.heads, decoded.wholes)
    pairs = find_pairs(described)
    contents = [sha256_of(p.path) for p in decoded.pictures]
    network = Embedding.load(model) if model else None
    rows, distances = _seen_by(network, decoded)
    seen_by_network, by_network = None, _no_pairs()
    if network and any(lesions):
        seen_by_network, by_network = _by_network(network, rows, decoded, described, lesions)
    groups = group(decoded, series, (by_network.first, by_network.second))
    figures = AuditFigures(
        n_pictures=len(decoded.pictures),
        problems=[*found.problems, *decoded.problems],
        by_folder=_counts(decoded),
        identical_files=int(sum(n - 1 for n in Counter(contents).values())),
        near_duplicate_pairs=len(pairs.first),
        across_splits=_across_splits(decoded, pairs),
        # The boxes name kinds of tumors.
        label_conflicts=_conflicts(decoded, pairs, lesions if task == TUMOR_TYPE else ()),
        n_groups=int(groups.max()) + 1,
        largest_groups=sorted(np.bincount(groups).tolist(), reverse=True)[:5],
        suspects=[decoded.pictures[i].name for i in np.argsort(-distances) if distances[i] > 1],
        detector=_detector(decoded, described, lesions),
        by_network=seen_by_network,
    )
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "audit.json", json.dumps(figures.plain(), indent=1).encode())
    found_by = {THUMBNAILS: pairs, NETWORK: by_network}
    write_atomically(out / PAIRS_FILE, _pairs_table(decoded, found_by, contents).encode())
    write_atomically(out / GROUPS_FILE, _groups_table(decoded, groups, series, distances, contents).encode())
    write_audit_report(figures, decoded, pairs, by_network, distances, out)
    _tell(figures, out)
    return figures


def _counts(decoded: Decoded) -> dict[str, int]:
    return dict(sorted(Counter(f"{p.source}/{p.split}/{p.class_name}" for p in decoded.pictures).items()))


def _across_splits(decoded: Decoded, pairs: Pairs) -> dict[str, int]:
    """Return how many images of one side have a near-duplicate on another, by "A in B"."""
    seen: dict[str, set[int]] = {}
    for first, second in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        for one, other in ((first, second), (second, first)):
            if side_of(decoded, one) != side_of(decoded, other):
                seen.setdefault(f"{side_of(decoded, one)} in {side_of(decoded, other)}", set()).add(one)
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
        for p, lesion in zip(pictures, lesions, strict=False)
        if lesion and lesion.class_name != p.class_name
    ]
    return between + with_source


def _seen_by(network: Embedding | None, decoded: Decoded) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the network's rows and distances; empty and zeros without a network."""
    if network is None:
        return np.zeros((0, 0), np.float32), np.zeros(len(decoded.pixels), np.float32)
    size = network.classifier.card.input_size_px
    if size == COMPARED_SIZE_PX:
        return network.look(decoded.pixels)
    return network.look(np.stack([preprocess(read_image(p.path).pixels, size).pixels for p in decoded.pictures]))


def _by_network(
    network: Embedding, rows: NDArray[np.float32], decoded: Decoded, described: NDArray[np.float32],
    lesions: Sequence[Lesion | None],
) -> tuple[ByNetwork, Pairs]:  # fmt: skip
    """Return the figures of the network's search, and the pairs that thumbnails miss, most similar first."""
    classes = [lesion.class_name if lesion else None for lesion in lesions]
    likeness_found = network.check(rows, classes, _read(decoded, _spread(decoded)))
    found = pairs_above(likeness_found.threshold, len(rows), lambda block: rows[block] @ rows.T)
    by_thumbnails = np.array(
        [likeness(described[:, [i]], described[:, [j]])[0, 0] for i, j in zip(found.first, found.second, strict=True)],
        np.float32,
    )
    missed = np.flatnonzero(by_thumbnails <= LEFT_OUT)
    order = missed[np.argsort(-found.likeness[missed])]
    pairs = Pairs(found.first[order], found.second[order], found.likeness[order])
    across = _across_splits(decoded, pairs)
    return ByNetwork(**vars(likeness_found), pairs=len(found.first), missed_by_thumbnails=len(missed),
                     across_splits=across), pairs  # fmt: skip


def _no_pairs() -> Pairs:
    nothing = np.zeros(0, np.int64)
    return Pairs(nothing, nothing, np.zeros(0, np.float32))


def _detector(decoded: Decoded, described: NDArray[np.float32], lesions: Sequence[Lesion | None]) -> Detector:
    """Measure recall on a spread of all images, and false pairs on numbered slices, whose patients have one class."""
    recall = check_recall(_read(decoded, _spread(decoded)))
    numbered = np.flatnonzero([lesion is not None for lesion in lesions])
    if not numbered.size:
        return Detector(recall)
    classes = [lesion.class_name for lesion in lesions if lesion]
    return Detector(recall, check_false_pairs(described[:, numbered], _read(decoded, numbered), classes))


def _spread(decoded: Decoded) -> NDArray[np.int64]:
    return np.arange(0, len(decoded.pictures), max(1, len(decoded.pictures) // 400))


def _read(decoded: Decoded, places: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    return [read_image(decoded.pictures[i].path).pixels for i in places]


def _pairs_table(decoded: Decoded, found: Mapping[str, Pairs], contents: Sequence[str]) -> str:
    """Return one row per pair; found: pairs by method. Similarities of different methods are not comparable."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["first", "second", "first_class", "second_class", "likeness", "identical", "found_by"])
    for found_by, pairs in found.items():
        for i, j, value in zip(pairs.first, pairs.second, pairs.likeness, strict=True):
            one, other = decoded.pictures[i], decoded.pictures[j]
            identical = int(contents[i] == contents[j])
            row = [one.name, other.name, one.class_name, other.class_name, f"{value:.4f}", identical, found_by]
            writer.writerow(row)
    return table.getvalue()


def _groups_table(
    decoded: Decoded, groups: NDArray[np.int64], series: NDArray[np.int64], distances: NDArray[np.float32],
    contents: Sequence[str],
) -> str:  # fmt: skip
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["name", "source", "split", "class_name", "group", "slice_number", "distance", "sha256"])
    for i, p in enumerate(decoded.pictures):
        number = series[i] if series[i] >= 0 else ""
        row = [p.name, p.source, p.split, p.class_name, groups[i], number, f"{distances[i]:.3f}", contents[i]]
        writer.writerow(row)
    return table.getvalue()


def _tell(figures: AuditFigures, out: Path) -> None:
    print(f"{figures.n_pictures} images, {figures.identical_files} identical files, "
          f"{figures.near_duplicate_pairs} near-duplicate pairs, {figures.n_groups} groups")  # fmt: skip
    for problem in figures.problems:
        print(f"passed over: {problem}")
    for name, n in figures.across_splits.items():
        print(f"  {name}: {n}")
    print(f"{len(figures.label_conflicts)} label conflicts, {len(figures.suspects)} suspects")
    for name, recall in figures.detector.recall.items():
        print(f"  {name}: found {recall.found:.3f}, by a perceptual hash {recall.found_by_phash:.3f}")
    print(f"  false pairs: {figures.detector.false_pairs}")
    if figures.by_network:
        print(f"  by the network's features: {figures.by_network}")
    print(f"{out}/report.html")
