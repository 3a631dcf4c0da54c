"""docs/architecture.md names every part of the project, and only those."""

import re

import pytest

from tests.support.samples import TOP

PAGE = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)/\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def named_in(package: str) -> set[str]:
    """Return the paths in the first column of a package's table, from the top of the repository."""
    cells = re.findall(r"^\| (`[^|]+) \|", SECTIONS[package], re.MULTILINE)
    return {f"{package}/{name.rstrip('/')}" for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("package", ["model", "web", "training", "benchmarks"])
def test_page_names_every_folder_of_code(package: str) -> None:
    folders = {file.parent.relative_to(TOP).as_posix() for file in (TOP / package).rglob("*.py")} - {package}
    assert folders - named_in(package) == set()


@pytest.mark.parametrize("package", ["model", "web", "training", "benchmarks"])
def test_page_names_nothing_that_is_not_there(package: str) -> None:
    assert [name for name in named_in(package) if not (TOP / name).exists()] == []


def test_ways_through_the_house_name_files_that_exist() -> None:
    named = re.findall(r"`((?:model|web|training)/[\w/]+\.py)`", PAGE)
    assert len(named) > 8
    assert [name for name in named if not (TOP / name).exists()] == []
