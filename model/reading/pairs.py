"""Volumes in two files, a header and its voxels: which belong together, by their sizes, and by their names if known."""

import re
from collections.abc import Sequence

from model.reading.signatures import volume_format

_HALF = re.compile(r"\.(?:(hdr|mhd|nhdr)|img|z?raw)(?:\.gz)?$", re.IGNORECASE)


def half_of(name: str) -> tuple[str, bool] | None:
    """Return the name that both files of a volume share, and whether this one is its header; None for another file."""
    found = _HALF.search(name)
    return (name[: found.start()], bool(found.group(1))) if found else None


def pair_up(contents: Sequence[bytes], names: Sequence[str]) -> dict[int, int]:
    """Return the places of headers with those of their voxels.

    names: of the files, "" where unknown. Without them a pair counts only if no other file fits: with two volumes of
    one size, an answer could be shown for the wrong one.
    """
    if not any(map(volume_format, contents)):
        return {}
    # Imported only for such a file: see model.reading.signatures.
    from model.reading.research.reader import detached_header, fits

    headers = {i: header for i, content in enumerate(contents) if (header := detached_header(content))}
    others = [j for j in range(len(contents)) if j not in headers]
    claims: dict[int, list[tuple[bool, int]]] = {}
    for i, header in headers.items():
        fitting = [j for j in others if fits(header, contents[j])]
        fitting = fitting or [j for j in others if fits(header, contents[j], is_padded=True)]
        named = [j for j in fitting if _are_halves(names[i], names[j])]
        if len(chosen := named or fitting) == 1:
            claims.setdefault(chosen[0], []).append((bool(named), i))
    return {claim[1]: j for j, claimed in claims.items() if (claim := _the_one(claimed))}


def _are_halves(one: str, other: str) -> bool:
    mine, theirs = half_of(one), half_of(other)
    return mine is not None and theirs is not None and mine[0] == theirs[0]


def _the_one(claims: list[tuple[bool, int]]) -> tuple[bool, int] | None:
    """Return the claim by name, or else the only one."""
    named = [claim for claim in claims if claim[0]] or claims
    return named[0] if len(named) == 1 else None
