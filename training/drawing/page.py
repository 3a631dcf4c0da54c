"""Write one HTML page that opens alone, without a network: pictures are embedded."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.card import DISCLAIMER
from model.safe_files import write_atomically

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { border-bottom: 1px solid #ccd; padding: .3rem .8rem; }
th { text-align: left; } td { text-align: right; } td.text { text-align: left; } img { max-width: 100%; height: auto; }
"""


@dataclass(frozen=True)
class Table:
    """Rows under column names; the first cell of each row is its heading."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Section:
    """A heading with sentences, a table, and PNG files, each of which may be absent."""

    heading: str
    sentences: Sequence[str] = ()
    table: Table | None = None
    # Alternative text per PNG file.
    pictures: Mapping[Path, str] | None = None


def write_page(file: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page in one step."""
    body = "\n".join(_section(section) for section in sections)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        f"<h1>{html.escape(title)}</h1>\n<p><strong>{DISCLAIMER}</strong></p>\n{body}\n</body>\n</html>\n"
    )
    write_atomically(file, page.encode())


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.heading)}</h2>"]
    parts += [f"<p>{html.escape(sentence)}</p>" for sentence in section.sentences]
    if section.table:
        parts.append(_table(section.table))
    parts += [_picture(file, text) for file, text in (section.pictures or {}).items()]
    return "\n".join(parts)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
    rows = []
    for first, *others in table.rows:
        cells = "".join(f"<td>{html.escape(str(value))}</td>" for value in others)
        rows.append(f'<tr><th scope="row">{html.escape(str(first))}</th>{cells}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _picture(file: Path, text: str) -> str:
    encoded = base64.b64encode(file.read_bytes()).decode()
    return f'<p><img alt="{html.escape(text)}" src="data:image/png;base64,{encoded}"></p>'
