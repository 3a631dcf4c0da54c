"""Print how long each document and its sentences are: `make words`."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.samples import TOP

# Neither prose nor sentences: code, comments, tables, images, headings.
_NO_PROSE = re.compile(r"```.*?```|<!--.*?-->|^\|.*?$|!\[.*?\]\(.*?\)|^#.*?$", re.MULTILINE | re.DOTALL)
# A sentence ends at its mark before a space, in bold or not, or at the end of a list item or paragraph.
_END = re.compile(r"(?:(?<=[.!?:;])|(?<=[.!?:;]\*\*))\s+(?=[^a-z])|\n\s*\n|\n\s*(?:[-*]|\d+\.) ")


@dataclass(frozen=True)
class Length:
    """Number of words in a document (including tables and code), in its mean sentence and in its longest."""

    n_words: int
    mean: float
    longest: int
    longest_sentence: str


def documents() -> list[Path]:
    """Return every Markdown file in git, English and French."""
    folders = (TOP, TOP / "docs", TOP / "docs" / "fr", TOP / "docs" / "studies")
    return sorted(file for folder in folders for file in folder.glob("*.md"))


def sentences(text: str) -> list[str]:
    """Return the sentences of a Markdown text, without those of tables and code."""
    prose = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", _NO_PROSE.sub("\n\n", text))
    pieces = (" ".join(piece.split()).strip("-*> ") for piece in _END.split(prose))
    return [piece for piece in pieces if len(piece.split()) > 1]


def measure(text: str) -> Length:
    """Return the lengths of a Markdown text and its sentences."""
    lengths = {sentence: len(sentence.split()) for sentence in sentences(text)}
    longest = max(lengths, key=lengths.__getitem__, default="")
    mean = sum(lengths.values()) / max(len(lengths), 1)
    return Length(sum(bool(re.search(r"\w", piece)) for piece in text.split()), mean, lengths.get(longest, 0), longest)


def main() -> None:
    """Print a line per document, then each document's longest sentence if it has more than 30 words."""
    measured = {file.relative_to(TOP).as_posix(): measure(file.read_text(encoding="utf-8")) for file in documents()}
    print(f"{'document':<34}{'words':>8}{'words a sentence':>18}{'longest':>9}")
    for name, length in measured.items():
        print(f"{name:<34}{length.n_words:>8}{length.mean:>18.1f}{length.longest:>9}")
    for name, length in measured.items():
        if length.longest > 30:
            print(f"\n{name}: {length.longest_sentence}")


if __name__ == "__main__":
    main()
