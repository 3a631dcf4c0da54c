"""Find labelled pictures in folders: one folder per class, or Training/ and Testing/ folders of them."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.card import TUMOR_PRESENCE, TUMOR_TYPE
from training.errors import DataError

TRAINING, TESTING, UNSPLIT = "training", "testing", "unsplit"
_SPLIT_NAMES = {"training": TRAINING, "train": TRAINING, "testing": TESTING, "test": TESTING}
# How the data sets of this field spell their folders, in lower case with one underscore between words.
_TYPE_ALIASES = {
    "glioma": "glioma",
    "glioma_tumor": "glioma",
    "meningioma": "meningioma",
    "meningioma_tumor": "meningioma",
    "pituitary": "pituitary",
    "pituitary_tumor": "pituitary",
    "no_tumor": "no_tumor",
    "notumor": "no_tumor",
    "no": "no_tumor",
    "normal": "no_tumor",
    "healthy": "no_tumor",
}
_PRESENCE_ALIASES = {name: c if c == "no_tumor" else "tumor" for name, c in _TYPE_ALIASES.items()} | {
    "yes": "tumor",
    "tumor": "tumor",
}
_ALIASES = {TUMOR_TYPE: _TYPE_ALIASES, TUMOR_PRESENCE: _PRESENCE_ALIASES}


@dataclass(frozen=True)
class Picture:
    """A labelled file.

    path: absolute; name: relative to its data folder's parent, stable across machines; source: the collection that it
    came with, which is the name of the data folder, or of its parent where the folder is called Training or the like.
    """

    path: Path
    name: str
    split: str
    class_name: str
    source: str = ""


@dataclass(frozen=True)
class Collection:
    """The pictures found, in a fixed order, and one sentence per thing that was passed over."""

    pictures: tuple[Picture, ...]
    problems: tuple[str, ...]

    def of_split(self, *splits: str) -> "Collection":
        """Keep only the pictures of the given splits."""
        return Collection(tuple(p for p in self.pictures if p.split in splits), self.problems)

    def counts(self) -> dict[str, int]:
        """Number of pictures per class."""
        return dict(sorted(Counter(p.class_name for p in self.pictures).items()))


def find_pictures(folders: Sequence[Path], task: str) -> Collection:
    """List the pictures of one or several data folders under the class names of the task.

    Raises:
        DataError: a folder does not exist, no picture at all was found, or pictures of two folders have one name; the
            message lists all problems.
    """
    pictures: list[Picture] = []
    problems: list[str] = []
    for folder in folders:
        if folder.is_dir():
            _collect(folder.resolve(), task, pictures, problems)
        else:
            problems.append(f"{folder}: there is no such folder.")
    if not pictures or any(not folder.is_dir() for folder in folders):
        raise DataError(_listing("Expected folders of pictures, one per class.", problems))
    # Tables know a picture by its name, and would take one for the other.
    twice = [name for name, n in Counter(p.name for p in pictures).items() if n > 1]
    if twice:
        raise DataError(
            f"Expected data folders of different names. {len(twice)} pictures have the name of another, {twice[0]} "
            "among them. Rename a folder, or give none twice."
        )
    return Collection(tuple(pictures), tuple(problems))


def require_classes(collection: Collection, class_names: Sequence[str]) -> None:
    """Check that every class has pictures.

    Raises:
        DataError: a class has none.
    """
    counts = collection.counts()
    empty = [f"class {name!r} has no picture." for name in class_names if not counts.get(name)]
    if empty:
        raise DataError(_listing(f"Expected pictures of {', '.join(class_names)}.", [*empty, *collection.problems]))


def folder_name(folder: Path) -> str:
    """Return the last two parts of a folder's path, which say the same on every machine."""
    return "/".join(folder.resolve().parts[-2:])


def fingerprint(pictures: Sequence[Picture]) -> str:
    """SHA-256 over the labels and contents of the pictures, whatever their names: two equal ones mean the same data."""
    lines = sorted(f"{p.class_name}\t{hashlib.sha256(p.path.read_bytes()).hexdigest()}\n" for p in pictures)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _collect(folder: Path, task: str, pictures: list[Picture], problems: list[str]) -> None:
    split_folders = [(f, _SPLIT_NAMES[f.name.lower()]) for f in _subfolders(folder) if f.name.lower() in _SPLIT_NAMES]
    if split_folders:
        used = {split_folder for split_folder, _ in split_folders}
        problems.extend(
            f"{other.relative_to(folder.parent)}: neither Training nor Testing, beside such a folder; passed over."
            for other in _subfolders(folder)
            if other not in used
        )
    else:
        split_folders = [(folder, _SPLIT_NAMES.get(folder.name.lower(), UNSPLIT))]
    source = folder.parent.name if folder.name.lower() in _SPLIT_NAMES else folder.name
    for split_folder, split in split_folders:
        for class_folder in _subfolders(split_folder):
            _collect_class(class_folder, folder.parent, split, source, task, pictures, problems)


def _collect_class(
    class_folder: Path, root: Path, split: str, source: str, task: str, pictures: list[Picture], problems: list[str]
) -> None:
    class_name = _ALIASES[task].get(re.sub(r"[^a-z]+", "_", class_folder.name.lower()).strip("_"))
    name = class_folder.relative_to(root)
    if class_name is None:
        problems.append(f"{name}: not a class of {task}; the folder was passed over.")
        return
    files = [f for f in sorted(class_folder.rglob("*")) if f.is_file() and not f.name.startswith(".")]
    if not files:
        problems.append(f"{name}: the folder is empty.")
    pictures.extend(Picture(f, f.relative_to(root).as_posix(), split, class_name, source) for f in files)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _listing(headline: str, problems: Sequence[str]) -> str:
    return "\n".join([headline, *(f"  - {problem}" for problem in problems or ["no class folder was found."])])
