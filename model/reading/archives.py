"""Zip archives, opened in memory; their size is checked before and during decompression."""

import io
import zipfile
import zlib
from pathlib import PurePosixPath

from model.errors import EmptyFile, ImageError, TooManyFiles, TooManyPixels, UnreadableImage, UnsupportedFormat
from model.reading.other_kinds import office_document
from model.sentences import Sentence

# Signatures of a local file and of the end of an archive without files. Source: PKWARE APPNOTE 6.3.10, 4.3.7, 4.3.16.
_LOCAL_FILE, _END = b"PK\x03\x04", b"PK\x05\x06"
# Signature of each file in an archive's directory, APPNOTE 4.3.12. Counting them limits the directory before reading.
_DIRECTORY_ENTRY = b"PK\x01\x02"
# Allows for folders, hidden files and the like next to each file that counts.
_ENTRIES_PER_FILE = 4
# APPNOTE 4.4.4, bit 0.
_ENCRYPTED = 1
# Other methods can ask for gigabytes of memory, and no usual program writes them.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


# What is first in documents of Word, PowerPoint, Excel and LibreOffice. Source: ECMA-376, part 2; ODF 1.3, part 2.
_OFFICE_MEMBER, _FIRST_BYTES, _NAME = b"[Content_Types].xml", 1000, 30
_OFFICE_FIRST = (b"_rels/", b"docProps/", b"word/", b"ppt/", b"xl/", b"mimetypeapplication/")


def is_zip(content: bytes) -> bool:
    """Return whether the first bytes are those of a zip file."""
    return content.startswith((_LOCAL_FILE, _END))


def read_archive(content: bytes, max_files: int, max_bytes: int) -> list[tuple[int, str, bytes]]:
    """Return the places, names and contents of an archive's files, except hidden ones, those of macOS and DICOMDIR.

    Files are in the archive's order. A place is an index into all entries of the archive's directory, from 0.

    Raises:
        TooManyFiles: more than `max_files`; nothing was decompressed.
        TooManyPixels: together more than `max_bytes` decompressed, claimed or in truth.
        EmptyFile: there are no files.
        UnsupportedFormat: it is an Office document.
        UnreadableImage: encrypted, of an unusual compression, cut off or damaged.
    """
    if _OFFICE_MEMBER in content[:_FIRST_BYTES] or content.startswith(_OFFICE_FIRST, _NAME):
        raise UnsupportedFormat(office_document())
    if content.count(_DIRECTORY_ENTRY) > _ENTRIES_PER_FILE * max_files:
        raise _too_many_files(max_files)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {place: entry for place, entry in enumerate(archive.infolist()) if counts(entry)}
            _check([*entries.values()], max_files, max_bytes)
            return _read(archive, entries, max_bytes)
    except ImageError:
        raise
    except UnicodeDecodeError as error:
        raise UnreadableImage(
            Sentence(
                "The zip file marks its file names as UTF-8, but they are not. Rename the files and pack them again."
            )
        ) from error
    # What zipfile and zlib raise for damaged archives.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, LookupError) as error:
        raise UnreadableImage(Sentence("This zip file is cut off or damaged. Pack it again.")) from error


def name_in(content: bytes, place: int) -> str:
    """Return the name of an entry of an archive that was read, by its place in the directory."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.infolist()[place].filename.lstrip("/")


def counts(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry is a file to read: no folder, nothing hidden, no table of contents."""
    # PowerShell writes folders with backslashes.
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return bool(parts) and not (name.endswith("/") or is_hidden or parts[-1].upper() == "DICOMDIR")


def is_usual(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry is of a usual compression and not encrypted."""
    return not entry.flag_bits & _ENCRYPTED and entry.compress_type in _METHODS


def _check(entries: list[zipfile.ZipInfo], max_files: int, max_bytes: int) -> None:
    """Check what the archive's directory claims."""
    if not entries:
        raise EmptyFile(Sentence("This zip file holds no image. Pack the images and try again."))
    if len(entries) > max_files:
        raise _too_many_files(max_files)
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnreadableImage(Sentence("This zip file is encrypted. Pack it again without a password."))
    if any(entry.compress_type not in _METHODS for entry in entries):
        raise UnreadableImage(Sentence("This zip file uses an unusual compression. Pack it again with Deflate."))
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise _too_much(max_bytes)


def _read(
    archive: zipfile.ZipFile, entries: dict[int, zipfile.ZipInfo], max_bytes: int
) -> list[tuple[int, str, bytes]]:
    files = []
    for place, entry in entries.items():
        with archive.open(entry) as file:
            files.append((place, entry.filename, file.read(max_bytes + 1)))
        max_bytes -= len(files[-1][2])
        if max_bytes < 0:
            raise _too_much(sum(len(content) for _, _, content in files))
    return files


def _too_many_files(max_files: int) -> TooManyFiles:
    return TooManyFiles(
        Sentence(
            "Expected at most {max_files} files in all, but this zip file holds more. Pack fewer files.",
            max_files=max_files,
        )
    )


def _too_much(max_bytes: int) -> TooManyPixels:
    return TooManyPixels(
        Sentence(
            "Unpacked, this zip file is larger than {limit} MB. Pack fewer files.",
            limit=f"{max_bytes / 1e6:.0f}",
        )
    )
