"""What tells that a series was received in part: its places, its numbers, and what its files say of their number."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.reading.dicom.header import Header
from model.sentences import Sentence

# A step between slices that is larger than this many usual ones is a gap. Fewer slices have no usual step.
_GAP, _MIN_SLICES = 1.5, 4
# A brain takes more than this along every axis: 100 mm from front to back, foot to head and side to side.
_WHOLE_BRAIN_MM = 90


def notes_on_missing(
    headers: Sequence[Header], heights_mm: NDArray[np.float64] | None, is_whole: bool = True
) -> list[Sentence]:
    """Return what the sender should know of slices that did not come.

    headers: of all slices of a series, which has one slice at each place. heights_mm: float64 (n,), ascending: where
    these lie along the normal; None where unknown, then gaps are found by the instance numbers. is_whole: whether the
    series has no other slices, of another orientation or size: else only gaps between places tell of missing ones.
    """
    n = len(headers)
    numbers = sorted(header.instance_number for header in headers)
    are_numbered = len(set(numbers)) == n
    if n < _MIN_SLICES or (heights_mm is None and not (are_numbered and is_whole)):
        return []
    places = np.array(numbers, np.float64) if heights_mm is None else heights_mm
    steps = np.diff(places)
    usual = float(np.median(steps))
    n_between = int(sum(round(step / usual) - 1 for step in steps if step > _GAP * usual))
    n_said = max(header.n_in_acquisition for header in headers)
    covered_mm = np.inf if heights_mm is None else float(heights_mm[-1] - heights_mm[0] + usual)
    between = Sentence(
        "{n} slices were received, with gaps between them. Missing there: about {missing}. "
        "Send the whole series in one request.",
        n=n,
        missing=n_between,
    )
    said = Sentence(
        "{n} slices were received; the files say that the acquisition has {total}. "
        "Send the whole series in one request.",
        n=n,
        total=n_said,
    )
    first = Sentence(
        "Slices {first} to {last} of the series were received, none before them. "
        "If there are others, send the whole series in one request.",
        first=numbers[0],
        last=numbers[-1],
    )
    short = Sentence(
        "The slices received cover {mm} mm, which is less than a whole brain. "
        "If the series has others, send all in one request.",
        mm=f"{covered_mm:.0f}",
    )
    is_late, is_short = numbers[0] > 1 and are_numbered, covered_mm < _WHOLE_BRAIN_MM
    given = (
        (n_between > 0, between),
        (is_whole and n < n_said, said),
        (is_whole and is_late, first),
        (is_whole and is_short, short),
    )
    return [note for is_true, note in given if is_true]
