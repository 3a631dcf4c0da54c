"""Write one self-contained HTML page with embedded images."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from model.card import DISCLAIMER
from model.safe_files import write_atomically

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters["base64"] = lambda file: base64.b64encode(file.read_bytes()).decode()


@dataclass(frozen=True)
class Table:
    """Rows under column names; the first cell of each row is its heading."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Section:
    """A heading with optional sentences, table, and PNG files with their alternative texts."""

    heading: str
    sentences: Sequence[str] = ()
    table: Table | None = None
    pictures: Mapping[Path, str] = field(default_factory=dict)


def write_page(file: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page atomically."""
    page = _ENVIRONMENT.get_template("page.html").render(title=title, disclaimer=DISCLAIMER, sections=sections)
    write_atomically(file, page.encode())
