"""Read many files at once: images, volumes, DICOM series in any order, and zip archives of these."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.errors import ImageError, TooManyFiles, UnsupportedFormat
from model.reading.archives import is_zip, read_archive
from model.reading.contents import Content, Limits, Member, MriImage, MriVolume, Reading
from model.reading.one_file import read_image
from model.reading.pairs import half_of, pair_up
from model.reading.raster import read_stack
from model.reading.signatures import is_dicom, volume_format
from model.sentences import Sentence

# Unpacked bytes of an archive allowed per voxel: scanners write 16 bits; half as much again for headers.
_BYTES_PER_VOXEL = 3
# The series id of a DICOM file comes before its pixels, and before the long elements of most makers.
BEGINNING_BYTES = 65_536

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class _Piece:
    """A file as given, or one unpacked from a given archive."""

    place: int
    content: bytes
    # Known only for files in archives.
    place_in_archive: int | None = None
    name: str = ""

    @property
    def is_packed(self) -> bool:
        """Whether it came out of an archive."""
        return self.place_in_archive is not None


def read_files(contents: Sequence[bytes], limits: Limits = _DEFAULT_LIMITS) -> list[Reading]:
    """Read files by their content; the result is ordered by first file. An unreadable file never affects the rest.

    DICOM files of one series, size and orientation become one volume; a lone slice is an image. An archive's files
    are read as if they were given one by one in its place; those of other kinds are refused together.
    """
    pieces, refusals = _unpack(contents, limits)
    found = [*_read_pieces(pieces[: limits.max_files], limits)]
    if len(pieces) > limits.max_files:
        found.append((tuple(range(limits.max_files, len(pieces))), _too_many(limits.max_files)))
    found = _with_other_kinds_together(found, pieces)
    found.sort(key=lambda placed: placed[0][0])
    readings = [Reading(_places(indices, pieces), content, _members(indices, pieces)) for indices, content in found]
    return sorted([*refusals, *readings], key=lambda reading: reading.files[0])


def by_series(beginnings: Iterable[bytes], names: Sequence[str]) -> list[list[int]]:
    """Return the places of files that belong to one DICOM series or are one volume's two files together, others alone.

    beginnings: the first BEGINNING_BYTES of each file.
    """
    groups: dict[str | tuple[str, int], list[int]] = {}
    headers = {half[0] for name in names if (half := half_of(name)) and half[1]}
    for place, (beginning, name) in enumerate(zip(beginnings, names, strict=True)):
        half = half_of(name)
        alone = (half[0], -1) if half and half[0] in headers else ("", place)
        groups.setdefault(_series_of(beginning) or alone, []).append(place)
    return list(groups.values())


def _series_of(beginning: bytes) -> str:
    if not is_dicom(beginning):
        return ""
    # Imported only for a DICOM file: see model.reading.signatures.
    from model.reading.dicom.series import series_of

    return series_of(beginning)


def _unpack(contents: Sequence[bytes], limits: Limits) -> tuple[list[_Piece], list[Reading]]:
    """Replace archives by their files; return those that cannot be opened as refusals."""
    pieces: list[_Piece] = []
    refusals: list[Reading] = []
    max_bytes = _BYTES_PER_VOXEL * limits.max_voxels
    for place, content in enumerate(contents):
        if not is_zip(content):
            pieces.append(_Piece(place, content))
            continue
        try:
            packed = read_archive(content, max(limits.max_files - len(pieces), 0), max_bytes)
        except ImageError as error:
            refusals.append(Reading((place,), error))
            continue
        max_bytes -= sum(len(inner) for _, _, inner in packed)
        pieces += [_Piece(place, inner, of_archive, f"{place}/{name}") for of_archive, name, inner in packed]
    return pieces, refusals


def _read_pieces(pieces: Sequence[_Piece], limits: Limits) -> list[tuple[tuple[int, ...], Content]]:
    """Return the indices of pieces with what was read from them: DICOM files together, then the others one by one."""
    voxels = pair_up([piece.content for piece in pieces], [piece.name for piece in pieces])
    beside = set(voxels.values())
    dicom = {i: piece.content for i, piece in enumerate(pieces) if i not in beside and is_dicom(piece.content)}
    found = _read_dicom(dicom, limits) if dicom else []
    n_left = limits.max_voxels - sum(_n_voxels(content) for _, content in found)
    for i, piece in enumerate(pieces):
        if i in dicom or i in beside:
            continue
        places = (i, voxels[i]) if i in voxels else (i,)
        for content in _read_one(piece, limits.max_pixels, max(n_left, 0), *(pieces[j].content for j in places[1:])):
            found.append((tuple(sorted(places)), content))
            if piece.is_packed or isinstance(content, MriVolume):
                n_left -= _n_voxels(content)
    return found


def _read_dicom(contents: Mapping[int, bytes], limits: Limits) -> list[tuple[tuple[int, ...], Content]]:
    # Imported only for a DICOM file: see model.reading.signatures.
    from model.reading.dicom.series import read_dicom_files

    return [*read_dicom_files(contents, limits.max_pixels, limits.max_voxels)]


def _read_one(piece: _Piece, max_pixels: int, n_left: int, *voxels: bytes) -> Sequence[Content]:
    try:
        if piece.is_packed and is_zip(piece.content):
            raise UnsupportedFormat(Sentence("The zip file contains another zip file. Unpack that one first."))
        if volume_format(piece.content):
            from model.reading.research.reader import read_volume

            return read_volume(piece.content, max_pixels, n_left, *voxels)
        stack = read_stack(piece.content, max_pixels, n_left)
        if stack is not None:
            return [stack]
        return [read_image(piece.content, min(max_pixels, n_left) if piece.is_packed else max_pixels)]
    except ImageError as error:
        return [error]


def _n_voxels(content: Content) -> int:
    match content:
        case MriImage():
            return content.pixels.size
        case MriVolume():
            return content.slices.size
        case _:
            return 0


def _with_other_kinds_together(
    found: list[tuple[tuple[int, ...], Content]], pieces: Sequence[_Piece]
) -> list[tuple[tuple[int, ...], Content]]:
    """Refuse all files of other kinds in an archive together: a hospital's CD holds a viewer of hundreds of files.

    The only file of an archive keeps its own refusal.
    """
    n_packed = Counter(piece.place for piece in pieces)
    kept: list[tuple[tuple[int, ...], Content]] = []
    others: dict[int, list[int]] = {}
    for indices, content in found:
        piece = pieces[indices[0]]
        is_other = isinstance(content, UnsupportedFormat) and not _is_known(piece.content)
        if piece.is_packed and is_other and n_packed[piece.place] > 1:
            others.setdefault(piece.place, []).extend(indices)
        else:
            kept.append((indices, content))
    return kept + [
        (tuple(indices), _no_images(len(indices)) if n_packed[place] == len(indices) else _other_kinds(len(indices)))
        for place, indices in others.items()
    ]


def _is_known(content: bytes) -> bool:
    return is_zip(content) or is_dicom(content)


def _other_kinds(n_files: int) -> UnsupportedFormat:
    return UnsupportedFormat(
        Sentence(
            "Files in the zip file that are neither images nor volumes and were left out: {n_files}.",
            n_files=n_files,
        )
    )


def _no_images(n_files: int) -> UnsupportedFormat:
    return UnsupportedFormat(
        Sentence(
            "This zip file holds no image and no volume that is read here (files in it: {n_files}). "
            "Pack the images and try again.",
            n_files=n_files,
        )
    )


def _too_many(max_files: int) -> TooManyFiles:
    return TooManyFiles(
        Sentence(
            "Only {max_files} files are read at once; these were left out. Send them separately.",
            max_files=max_files,
        )
    )


def _members(indices: tuple[int, ...], pieces: Sequence[_Piece]) -> tuple[Member, ...]:
    packed = [(pieces[i].place_in_archive, pieces[i].content) for i in sorted(indices)]
    return tuple(Member(place, hashlib.sha256(content).hexdigest()) for place, content in packed if place is not None)


def _places(indices: tuple[int, ...], pieces: Sequence[_Piece]) -> tuple[int, ...]:
    return tuple(sorted({pieces[i].place for i in indices}))
