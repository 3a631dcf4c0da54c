"""Find labelled images: class folders, tables of paths and labels, or files that store their class."""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.safe_files import in_utf8
from training.cheng import is_chengs, label_of
from training.errors import DataError
from training.spellings import ACCEPTED, class_of, given_classes, plain

TRAINING, TESTING, UNSPLIT = "training", "testing", "unsplit"
# Validation images are drawn by `train` itself, whole patients at a time: those set apart by others are for training.
_SPLIT_NAMES = {
    **dict.fromkeys(("training", "train", "valid", "validation", "val", "dev"), TRAINING),
    **dict.fromkeys(("entrainement", "apprentissage"), TRAINING),
    **dict.fromkeys(("testing", "test", "tests"), TESTING),
}
# Words that add nothing to those: train_data, Test Set.
_BESIDE_SPLIT = {"set", "data", "dataset", "image", "images", "jeu", "de"}
# A message lists at most this many files.
_SHOWN = 5
# Depth of folders around the class folders in an unpacked archive: archive/Brain Tumor Dataset/Data/Images/Training.
_DEEPEST = 5
# Columns of tables of images, in lower case.
_PATH_COLUMNS = (
    "path", "file", "filename", "file_name", "filepath", "image", "image_path", "image_name", "image_id", "img",
    "fichier", "chemin",
)  # fmt: skip
_LABEL_COLUMNS = (
    "label", "labels", "class", "class_name", "diagnosis", "category", "target", "tumor", "tumor_type", "classe",
    "etiquette", "diagnostic",
)  # fmt: skip
_SPLIT_COLUMNS = ("split", "set", "subset")


@dataclass(frozen=True)
class Picture:
    """A labelled file.

    path: absolute; name: relative to the data folder's parent, `in_utf8`, the same on every machine; source: the
    collection, named after the data folder, or after its parent if the folder is called Training or similar.
    """

    path: Path
    name: str
    split: str
    class_name: str
    source: str = ""


@dataclass(frozen=True)
class Collection:
    """The images found, in a fixed order, and one sentence per skipped file or folder."""

    pictures: tuple[Picture, ...]
    problems: tuple[str, ...]

    def of_split(self, *splits: str) -> "Collection":
        """Keep only the images of the given splits."""
        return Collection(tuple(p for p in self.pictures if p.split in splits), self.problems)

    def counts(self) -> dict[str, int]:
        """Number of images per class."""
        return dict(sorted(Counter(p.class_name for p in self.pictures).items()))


def find_pictures(places: Sequence[Path], task: str, classes: Sequence[str] = ()) -> Collection:
    """List the images of data folders and tables under the class names of the task.

    classes: further spellings of class names, each as SPELLING=CLASS.

    Raises:
        DataError: a place does not exist, no image was found, or images of two folders have the same name. The
            message lists all problems.
    """
    search = _Search(task, given_classes(tuple(classes), task), [], [])
    for place in places:
        if place.is_dir():
            search.folder(place.resolve())
        elif place.is_file():
            search.table(place.resolve())
        else:
            search.problems.append(f"{place}: there is no such folder.")
    if not search.pictures or any(not place.exists() for place in places):
        raise DataError(_listing("Expected folders of images, one per class.", search.problems))
    # Tables identify images by name and would confuse the two.
    twice = [name for name, n in Counter(p.name for p in search.pictures).items() if n > 1]
    if twice:
        raise DataError(
            f"Expected data folders of different names. {len(twice)} images have the name of another, {twice[0]} "
            "among them. Rename a folder, or name none twice."
        )
    return Collection(tuple(search.pictures), tuple(search.problems))


def require_classes(collection: Collection, class_names: Sequence[str]) -> None:
    """Check that every class has images.

    Raises:
        DataError: a class has none.
    """
    counts = collection.counts()
    empty = [f"class {name!r} has no image." for name in class_names if not counts.get(name)]
    if empty:
        raise DataError(_listing(f"Expected images of {', '.join(class_names)}.", [*empty, *collection.problems]))


def require_readable(readable: Sequence[object], problems: Sequence[str]) -> None:
    """Check that at least one file is readable.

    problems: one sentence for each unreadable file.

    Raises:
        DataError: no file is readable.
    """
    if not readable:
        shown = [*problems[:_SHOWN], *([f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else [])]
        raise DataError(_listing(f"Expected images. None of {len(problems)} files can be read.", shown))


def folder_name(folder: Path) -> str:
    """Return the last two parts of a folder's path, the same on every machine."""
    return in_utf8("/".join(folder.resolve().parts[-2:]))


def fingerprint(pictures: Sequence[Picture]) -> str:
    """Return the SHA-256 of the images' labels and contents, independent of their names."""
    lines = sorted(f"{p.class_name}\t{hashlib.sha256(p.path.read_bytes()).hexdigest()}\n" for p in pictures)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class _Search:
    """The images and problems found so far; given: further spellings of classes."""

    task: str
    given: Mapping[str, str]
    pictures: list[Picture]
    problems: list[str]

    def folder(self, folder: Path) -> None:
        """Find the class folders in a data folder, up to a few levels down."""
        tops = [folder]
        for _ in range(_DEEPEST):
            found = [top for top in tops if self._is_data(top)]
            if found:
                for top in found:
                    self._data(top, folder.parent)
                return
            tops = [inner for top in tops for inner in _subfolders(top)]
        if labelled := [f for f in sorted(folder.rglob("*")) if f.is_file() and is_chengs(f)]:
            self._labelled(labelled, folder)
        else:
            self._data(folder, folder.parent)

    def _labelled(self, files: Sequence[Path], folder: Path) -> None:
        """Add files that store their class."""
        for file in files:
            class_name = class_of(label_of(file) or "", self.task, self.given)
            name = _name(file, folder.parent)
            if class_name is None:
                self.problems.append(f"{name}: no cjdata.label of {self.task}; the file was skipped.")
            else:
                self.pictures.append(
                    Picture(file, name, _split_of(folder) or UNSPLIT, class_name, in_utf8(folder.name))
                )

    def _is_data(self, folder: Path) -> bool:
        return any(_split_of(f) or class_of(f.name, self.task, self.given) for f in _subfolders(folder))

    def _data(self, folder: Path, root: Path) -> None:
        splits = [(f, split) for f in _subfolders(folder) if (split := _split_of(f))]
        if splits:
            used = {split_folder for split_folder, _ in splits}
            self.problems.extend(
                f"{_name(other, root)}: neither Training nor Testing, next to such a folder; skipped."
                for other in _subfolders(folder)
                if other not in used
            )
        source = folder.parent if _split_of(folder) else folder
        for split_folder, split in splits or [(folder, _split_of(folder) or UNSPLIT)]:
            for class_folder in _subfolders(split_folder):
                self._class(class_folder, root, split, in_utf8(source.name))

    def _class(self, folder: Path, root: Path, split: str, source: str) -> None:
        class_name = class_of(folder.name, self.task, self.given)
        name = _name(folder, root)
        if class_name is None:
            self.problems.append(
                f"{name}: not a class of {self.task}; the folder was skipped. {self._advice(folder.name)}"
            )
            return
        files = [f for f in sorted(folder.rglob("*")) if f.is_file() and not f.name.startswith(".")]
        if not files:
            self.problems.append(f"{name}: the folder is empty.")
        for f in files:
            # Some collections nest the other way round: glioma/train.
            inner = _split_named(f.relative_to(folder).parts[0]) or split
            self.pictures.append(Picture(f, _name(f, root), inner, class_name, source))

    def table(self, table: Path) -> None:
        """Read a table of images: a column of paths, absolute or from the table's folder, and one of labels."""
        rows, (path, label, split) = _read_table(table)
        unknown: Counter[str] = Counter()
        missing: list[str] = []
        for row in rows:
            class_name = class_of(row[label] or "", self.task, self.given)
            # Tables that were made on Windows separate folders by backslashes.
            file = table.parent / (row[path] or "").replace("\\", "/")
            if class_name is None:
                unknown[row[label] or ""] += 1
            elif not file.is_file():
                missing.append(row[path] or "")
            else:
                of_split = (_split_named(row[split] or "") if split else None) or UNSPLIT
                self.pictures.append(
                    Picture(file, _name(file, table.parent.parent), of_split, class_name, in_utf8(table.parent.name))
                )
        name = in_utf8(table.name)
        for spelling, n in unknown.items():
            said = in_utf8(spelling)
            self.problems.append(
                f"{name}: {said!r} is not a class of {self.task}; {n} rows skipped. {self._advice(spelling)}"
            )
        if missing:
            self.problems.append(
                f"{name}: {len(missing)} of its files are missing, {in_utf8(missing[0])!r} among them."
            )

    def _advice(self, spelling: str) -> str:
        others = [task for task in ACCEPTED if task != self.task and class_of(spelling, task, {})]
        other = f" It is one of {others[0]}: --task {others[0]}." if others else ""
        return f"Accepted: {ACCEPTED[self.task]}; any other with --classes SPELLING=CLASS.{other}"


def _read_table(table: Path) -> tuple[list[dict[str, str]], tuple[str, str, str | None]]:
    """Return the rows of a table, and the names of its path, label and (if present) split columns.

    Raises:
        DataError: the path or label column is missing.
    """
    # File names in it may have any encoding.
    text = table.read_text(encoding="utf-8-sig", errors="surrogateescape")
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    columns = {plain(name or ""): name for name in reader.fieldnames or ()}
    path, label, split = (
        next((columns[name] for name in names if name in columns), None)
        for names in (_PATH_COLUMNS, _LABEL_COLUMNS, _SPLIT_COLUMNS)
    )
    if path is None or label is None:
        raise DataError(
            f"Expected a table with a header line, a column of paths ({', '.join(_PATH_COLUMNS)}) and one of labels "
            f"({', '.join(_LABEL_COLUMNS)}). {in_utf8(table)} begins with {in_utf8(head[:100])!r}."
        )
    return list(reader), (path, label, split)


def _split_of(folder: Path) -> str | None:
    return _split_named(folder.name)


def _split_named(name: str) -> str | None:
    words = set(re.findall("[a-z]+", plain(name))) - _BESIDE_SPLIT
    return _SPLIT_NAMES.get(words.pop()) if len(words) == 1 else None


def _name(path: Path, root: Path) -> str:
    """Return a path relative to root, or else its last parts."""
    inner = path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-4:])
    return in_utf8(inner.as_posix())


def _subfolders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _listing(headline: str, problems: Sequence[str]) -> str:
    return "\n".join([headline, *(f"  - {problem}" for problem in problems or ["no class folder was found."])])
