"""Recognise files that are not read here by their first bytes, and say what the sender can do."""

from collections.abc import Callable
from math import prod

from model.sentences import Sentence

_TEMPLATE = Sentence("This is {kind}, which is not read here. {advice}").template
_EXPORT = Sentence("Export the slices as PNG or JPEG, or send the DICOM files.")
_SEND_IMAGE = Sentence("Send the image itself.")
_UNPACK = Sentence("Unpack it and send the files, or pack them as .zip.")
_CONVERT = Sentence("Convert the volume to NIfTI, for example with nibabel, and send that.")
_DOWNLOAD = Sentence("Download the file itself again; some sites ask you to log in first.")
_LFS = Sentence("Run `git lfs pull` in the repository, then send the file.")
_COPY = Sentence("Copy or download the file again: it was cut short.")
_ANNEX = Sentence("Run `git annex get` on the file in the repository, then send it.")
_ANOTHER_IMAGE = Sentence("Save it as PNG and send that.")
_COPY_AS_IT_IS = Sentence("Copy it again in binary mode.")
_SEND_DICOM = Sentence("Send the DICOM series that the scanner exports.")
_BRUKER = Sentence("Convert the whole folder to NIfTI, for example with bruker2nifti, and send that.")
_AFNI = Sentence("Convert HEAD and BRIK together to NIfTI with 3dAFNItoNIFTI, and send that.")
_MRTRIX = Sentence("Convert it to NIfTI with mrconvert, and send that.")
_VMR = Sentence("Save it as NIfTI in BrainVoyager, and send that.")
_PAR_REC = Sentence("Convert PAR and REC together to NIfTI, for example with dcm2niix, and send that.")

_PDF = Sentence("a PDF document")
_OFFICE = Sentence("an Office document")
_VIDEO = Sentence("a video")
_ARCHIVE = Sentence("a packed archive of another kind than zip")
_LAYERED = Sentence("a file of an image editor or a telescope")
_PROGRAM = Sentence("a program")
_NUMPY = Sentence("a NumPy array")
_HDF5 = Sentence("an HDF5 file")
_MINC = Sentence("a MINC volume")
_SOUND = Sentence("an audio file")
_IMAGE = Sentence("an image of another format")
_RAW = Sentence("raw data of a scanner")
_POINTER = Sentence("a pointer of git-annex")
_TRACKS = Sentence("a file of fibre tracks")
_SHORTCUT = Sentence("a shortcut to a file")
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
    (b"MSCF", _ARCHIVE, _UNPACK),
    (b"LZIP", _ARCHIVE, _UNPACK),
    (b"\x04\x22\x4d\x18", _ARCHIVE, _UNPACK),
    (b"PK\x07\x08", _ARCHIVE, _UNPACK),
    (b"\x1aE\xdf\xa3", _VIDEO, _EXPORT),
    (b"0&\xb2u\x8ef\xcf\x11", _VIDEO, _EXPORT),
    (b"FLV\x01", _VIDEO, _EXPORT),
    (b"ID3", _SOUND, _SEND_IMAGE),
    (b"OggS", _SOUND, _SEND_IMAGE),
    (b"\x89PNG", Sentence("a PNG file that was changed while it was copied"), _COPY_AS_IT_IS),
    (b"\xff\x0a", _IMAGE, _ANOTHER_IMAGE),
    (b"\0\0\0\x0cJXL ", _IMAGE, _ANOTHER_IMAGE),
    (b"II\xbc\x01", _IMAGE, _ANOTHER_IMAGE),
    (b"gimp xcf", _IMAGE, _ANOTHER_IMAGE),
    (b"AT&TFORM", _IMAGE, _ANOTHER_IMAGE),
    (b"v/1\x01", _IMAGE, _ANOTHER_IMAGE),
    (b"DDS \x7c", _IMAGE, _ANOTHER_IMAGE),
    (b"\xd7\xcd\xc6\x9a", _IMAGE, _ANOTHER_IMAGE),
    (b"ZISRAWFILE", Sentence("a microscope's image"), _ANOTHER_IMAGE),
    (b"IMGF", Sentence("an image of a GE scanner from before DICOM"), _SEND_DICOM),
    (b"MATRIX7", Sentence("an ECAT volume"), _CONVERT),
    (b"TRACK\0", _TRACKS, _SEND_IMAGE),
    (b"mrtrix tracks", _TRACKS, _SEND_IMAGE),
    (b"mrtrix image", Sentence("an MRtrix volume"), _MRTRIX),
    (b"# vtk DataFile", Sentence("a VTK file"), _CONVERT),
    (b"PAR1", Sentence("a table (Parquet)"), _SEND_IMAGE),
    (b"\x0a\x05\x01\x08", _IMAGE, _ANOTHER_IMAGE),
    (b"\xff\xff\xfe", Sentence("a surface of FreeSurfer"), _SEND_IMAGE),
    (b"/annex/objects/", _POINTER, _ANNEX),
    (b"\0\5\x16\x07", Sentence("a file of macOS about another file"), _SEND_IMAGE),
    (b"L\0\0\0\1\x14\2\0", _SHORTCUT, _SEND_IMAGE),
    (b"[InternetShortcut]", _SHORTCUT, _SEND_IMAGE),
    (b"##TITLE=", Sentence("a file of parameters of a Bruker scanner"), _BRUKER),
    (b"!INTERFILE", Sentence("the header of an Interfile volume"), _CONVERT),
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
    """Return what a file is and what to do; None if its first bytes are unknown."""
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
    """Return the beginning of a text in lower case; "" if it is not text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content[:_TEXT_BYTES].decode("utf-16", "ignore").encode()
    try:
        # A letter may be cut in two.
        text = content[:_TEXT_BYTES].decode("utf-8", "strict" if len(content) <= _TEXT_BYTES else "ignore")
    except UnicodeDecodeError:
        text = content[:_TEXT_BYTES].decode("latin-1")
    is_text = all(sign.isprintable() or sign.isspace() or sign == "\ufeff" for sign in text)
    return text.lstrip("\ufeff \t\r\n").lower() if is_text else ""


def _is_raw_data(content: bytes) -> bool:
    """Return whether these are echoes, not yet an image: a GE P-file, or Siemens' .dat of syngo VB or VD and later."""
    first, n_parts = (int.from_bytes(content[i : i + 4], "little") for i in (0, 4))
    is_siemens = content[8:15] == b"Config\0" or (
        first < 10_000 and 0 < n_parts <= 64 and int.from_bytes(content[16:24], "little") == 10_240
    )
    return is_siemens or content[34:44] in {b"GE_MED_NMR", b"INVALIDNMR"}


def _is_brainvoyager(content: bytes) -> bool:
    """Return whether it is a .vmr: its version, three lengths, and at least a byte for each voxel."""
    version, *lengths = (int.from_bytes(content[i : i + 2], "little") for i in range(0, 8, 2))
    return version in {3, 4} and all(16 <= n <= 1024 for n in lengths) and len(content) >= 8 + prod(lengths)


def _is_matlab_4(content: bytes) -> bool:
    """Return whether a matrix of MATLAB 4 is first, as SPM's .mat files have them. Source: MAT-File Format, level 4."""
    kind, *_, is_complex, name_length = (int.from_bytes(content[i : i + 4], "little") for i in range(0, 20, 4))
    is_named = 1 < name_length <= 64 and content[19 + name_length : 20 + name_length] == b"\0"
    return kind in {0, 10, 20, 30, 40, 50} and is_complex in {0, 1} and is_named


_BY_LOOK: tuple[tuple[Callable[[bytes], bool], tuple[Sentence, Sentence]], ...] = (
    (lambda c: not c.strip(b"\0"), (Sentence("a file of nothing but zeros"), _COPY)),
    (lambda c: c[4:12] == b"ftypcrx ", (Sentence("a raw photograph of a camera"), _ANOTHER_IMAGE)),
    (lambda c: c[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}, (_VIDEO, _EXPORT)),
    # Also the size of a video's first part, which is known by now.
    (lambda c: c.startswith(b"\0\0\1\0"), (_IMAGE, _ANOTHER_IMAGE)),
    (lambda c: c[:1] == c[188:189] == c[376:377] == b"G", (_VIDEO, _EXPORT)),
    (lambda c: c[:4] == b"RIFF" and c[8:12] == b"WAVE", (_SOUND, _SEND_IMAGE)),
    (lambda c: c[:2] in {b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"} and c[2:3].isspace(), (_IMAGE, _ANOTHER_IMAGE)),
    (lambda c: c[40:44] == b" EMF", (_IMAGE, _ANOTHER_IMAGE)),
    (lambda c: c[32_769:32_774] == b"CD001", (_ARCHIVE, _UNPACK)),
    (lambda c: c.lstrip(b"\r\n\t \xef\xbb\xbf").startswith(b"%PDF"), (_PDF, _EXPORT)),
    (
        lambda c: c.lstrip().startswith(b"type = ") and b"\nname = " in c[:_TEXT_BYTES],
        (Sentence("the header of an AFNI volume"), _AFNI),
    ),
    (_is_raw_data, (_RAW, _SEND_DICOM)),
    (_is_brainvoyager, (Sentence("a BrainVoyager volume"), _VMR)),
    (lambda c: c[-18:] == b"TRUEVISION-XFILE.\0", (_IMAGE, _ANOTHER_IMAGE)),
    (lambda c: c[:1] == b"\x80" and c[-1:] == b".", (Sentence("a Python pickle"), _CONVERT)),
    (lambda c: "<gifti" in _text(c), (Sentence("a surface (GIFTI)"), _SEND_IMAGE)),
    (_is_matlab_4, (Sentence("a MATLAB file of version 4, as SPM writes for transforms"), _SEND_IMAGE)),
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
