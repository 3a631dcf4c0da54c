"""Every link from one document to another part of the repository leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.words import documents
from tests.support.samples import TOP

FILES = [*documents(), TOP / "static" / "samples" / "README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def links_of(file: Path) -> list[str]:
    """Return the link targets of a document, without other sites."""
    return [link for link in LINK.findall(file.read_text(encoding="utf-8")) if "://" not in link]


def anchors_of(file: Path) -> set[str]:
    """Return the anchors of a document's headings, as on GitHub: lower case, no punctuation, hyphens."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(TOP).as_posix())
def test_links_lead_to_files_and_headings_that_exist(file: Path) -> None:
    for link in links_of(file):
        name, _, anchor = link.partition("#")
        target = file.parent / name if name else file
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_every_document_of_docs_can_be_reached_from_readme() -> None:
    reached, left = set(), [TOP / "README.md"]
    while left:
        file = left.pop().resolve()
        if file.suffix == ".md" and file not in reached:
            reached.add(file)
            left += [file.parent / link.partition("#")[0] for link in links_of(file) if not link.startswith("#")]
    assert [file.name for file in documents() if file.resolve() not in reached] == []
