"""What a file is that is not read here, told by its first bytes, and what its sender can do."""

from collections.abc import Callable

from model.sentences import Sentence

_TEMPLATE = Sentence("This is {kind}, which is not read here. {advice}").template
_EXPORT = Sentence("Export the slices as PNG or JPEG, or send the DICOM files.")
_SEND_IMAGE = Sentence("Send the image itself.")
_UNPACK = Sentence("Unpack it and send the files, or pack them as .zip.")
_CONVERT = Sentence("Convert the volume to NIfTI, for example with nibabel, and send that.")
_DOWNLOAD = Sentence("Download the file itself again; some sites ask you to log in first.")
_LFS = Sentence("Run `git lfs pull` in the repository, then send the file.")
_COPY = Sentence("Copy or download the file again: it was cut short.")
_PAR_REC = Sentence("Convert PAR and REC together to NIfTI, for example with dcm2niix, and send that.")

_PDF = Sentence("a PDF document")
_OFFICE = Sentence("an Office document")
_VIDEO = Sentence("a video")
_ARCHIVE = Sentence("a packed archive of another kind than zip")
_LAYERED = Sentence("a picture of an image editor or of a telescope")
_PROGRAM = Sentence("a program")
_NUMPY = Sentence("a NumPy array")
_HDF5 = Sentence("an HDF5 file")
_MINC = Sentence("a MINC volume")
# By their first bytes. Source: the specification of each format.
_BY_START: tuple[tuple[bytes, Sentence, Sentence], ...] = (
    (b"%PDF", _PDF, _EXPORT),
    (b"%!PS", Sentence("a PostScript document"), _EXPORT),
    (b"{\\rtf", _OFFICE, _EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE, _EXPORT),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE, _UNPACK),
    (b"Rar!\x1a\x07", _ARCHIVE, _UNPACK),
    (b"BZh", _ARCHIVE, _UNPACK),
    (b"\xfd7zXZ\0", _ARCHIVE, _UNPACK),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE, _UNPACK),
    (b"\x1f\x8b", _ARCHIVE, _UNPACK),
    (b"\x1aE\xdf\xa3", _VIDEO, _EXPORT),
    (b"\0\0\1\xba", _VIDEO, _EXPORT),
    (b"\0\0\1\xb3", _VIDEO, _EXPORT),
    (b"8BPS", _LAYERED, _EXPORT),
    (b"SIMPLE  =", _LAYERED, _EXPORT),
    (b"\x7fELF", _PROGRAM, _SEND_IMAGE),
    (b"MZ", _PROGRAM, _SEND_IMAGE),
    (b"\x93NUMPY", _NUMPY, _CONVERT),
    (b"CDF\x01", _MINC, _CONVERT),
    (b"CDF\x02", _MINC, _CONVERT),
    (b"version https://git-lfs", Sentence("a pointer of Git LFS"), _LFS),
    (b"# === DATA DESCRIPTION FILE", Sentence("the header of a Philips PAR/REC volume"), _PAR_REC),
)
_TEXT_BYTES = 1000


def what_it_is(content: bytes) -> Sentence | None:
    """Return what a file is and what to do; None where its first bytes tell nothing."""
    found = _by_start(content) or next((said for is_kind, said in _BY_LOOK if is_kind(content)), None)
    if found is None:
        return None
    kind, advice = found
    # Not written as a call: its template is gathered above.
    return Sentence.__new__(Sentence, _TEMPLATE, kind=kind, advice=advice)


def office_document() -> Sentence:
    """Return the sentence on a zip file that is a document of Word, PowerPoint or Excel."""
    return Sentence.__new__(Sentence, _TEMPLATE, kind=_OFFICE, advice=_EXPORT)


def _by_start(content: bytes) -> tuple[Sentence, Sentence] | None:
    return next(((kind, advice) for start, kind, advice in _BY_START if content.startswith(start)), None)


def _text(content: bytes) -> str:
    """Return the beginning of a text in lower case; nothing of what is none."""
    try:
        # A letter may be cut in two.
        text = content[:_TEXT_BYTES].decode("utf-8", "strict" if len(content) <= _TEXT_BYTES else "ignore")
    except UnicodeDecodeError:
        text = content[:_TEXT_BYTES].decode("latin-1")
    is_text = all(sign.isprintable() or sign.isspace() or sign == "\ufeff" for sign in text)
    return text.lstrip("\ufeff \t\r\n").lower() if is_text else ""


_BY_LOOK: tuple[tuple[Callable[[bytes], bool], tuple[Sentence, Sentence]], ...] = (
    (lambda c: not c.strip(b"\0"), (Sentence("a file of nothing but zeros"), _COPY)),
    (lambda c: c[4:8] == b"ftyp", (_VIDEO, _EXPORT)),
    (lambda c: c[:4] == b"RIFF" and c[8:12] == b"AVI ", (_VIDEO, _EXPORT)),
    (lambda c: c[257:262] == b"ustar", (_ARCHIVE, _UNPACK)),
    (lambda c: c.startswith(b"\x89HDF") and b"minc-2.0" in c, (_MINC, _CONVERT)),
    (lambda c: c.startswith(b"\x89HDF"), (_HDF5, _CONVERT)),
    (lambda c: "<svg" in _text(c), (Sentence("a drawing (SVG)"), _EXPORT)),
    (
        lambda c: _text(c).startswith(("<!doctype html", "<html", "<head", "<body")) or "<html" in _text(c),
        (Sentence("a web page (HTML)"), _DOWNLOAD),
    ),
    (lambda c: bool(_text(c)), (Sentence("a text or a table"), _SEND_IMAGE)),
)
