"""Zip archives, opened in memory and bounded before and while they are decompressed."""

import io
import zipfile
import zlib
from pathlib import PurePosixPath

from model.errors import EmptyFile, ImageError, TooManyFiles, TooManyPixels, UnreadableImage, UnsupportedFormat
from model.reading.other_kinds import office_document
from model.sentences import Sentence

# Of a local file, and of the end of an archive without files. Source: PKWARE APPNOTE 6.3.10, 4.3.7, 4.3.16.
_LOCAL_FILE, _END = b"PK\x03\x04", b"PK\x05\x06"
# Of each file in the directory of an archive, APPNOTE 4.3.12: counting them bounds the directory before it is read.
_DIRECTORY_ENTRY = b"PK\x01\x02"
# Folders, hidden files and the like, beside each file that counts.
_ENTRIES_PER_FILE = 4
# APPNOTE 4.4.4, bit 0.
_ENCRYPTED = 1
# Other methods can ask for gigabytes of memory, and no usual program writes them.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


# What is first in documents of Word, PowerPoint, Excel and LibreOffice. Source: ECMA-376, part 2; ODF 1.3, part 2.
_OFFICE_MEMBER, _FIRST_BYTES, _NAME = b"[Content_Types].xml", 1000, 30
_OFFICE_FIRST = (b"_rels/", b"docProps/", b"word/", b"ppt/", b"xl/", b"mimetypeapplication/")


def is_zip(content: bytes) -> bool:
    """Tell by the first bytes."""
    return content.startswith((_LOCAL_FILE, _END))


def read_archive(content: bytes, max_files: int, max_bytes: int) -> list[tuple[int, str, bytes]]:
    """Return the places, names and contents of an archive's files, but hidden ones, those of macOS and DICOMDIR.

    They are in the archive's order. A place counts all entries of the archive's directory, from 0.

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
                "Expected a zip file with names in UTF-8. Received one that says so of names that are not. "
                "Rename the files, pack them again and retry."
            )
        ) from error
    # What zipfile and zlib answer to damaged archives.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, LookupError) as error:
        raise UnreadableImage(
            Sentence("Expected a complete zip file. Received one that is cut off or damaged. Pack it again and retry.")
        ) from error


def name_in(content: bytes, place: int) -> str:
    """Return the name of an entry of an archive that was read, by its place in the directory."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.infolist()[place].filename.lstrip("/")


def counts(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is a file to read: no folder, nothing hidden, no table of contents."""
    # PowerShell writes folders with backslashes.
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return bool(parts) and not (name.endswith("/") or is_hidden or parts[-1].upper() == "DICOMDIR")


def is_usual(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is of a usual compression and not encrypted."""
    return not entry.flag_bits & _ENCRYPTED and entry.compress_type in _METHODS


def _check(entries: list[zipfile.ZipInfo], max_files: int, max_bytes: int) -> None:
    """Refuse by what the archive's directory claims."""
    if not entries:
        raise EmptyFile(Sentence("Expected a zip file with images. Received one that holds none. Pack it again."))
    if len(entries) > max_files:
        raise _too_many_files(max_files)
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnreadableImage(
            Sentence("Expected a zip file without password. Received an encrypted one. Pack it again without.")
        )
    if any(entry.compress_type not in _METHODS for entry in entries):
        raise UnreadableImage(
            Sentence("Expected a usual zip file. Received one of an unusual compression. Pack it again with Deflate.")
        )
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
            "Expected at most {max_files} files in all. Received a zip file of more. Pack fewer of them and try again.",
            max_files=max_files,
        )
    )


def _too_much(max_bytes: int) -> TooManyPixels:
    return TooManyPixels(
        Sentence(
            "Expected a zip file of at most {limit} MB unpacked. Received more. Pack fewer files and try again.",
            limit=f"{max_bytes / 1e6:.0f}",
        )
    )
