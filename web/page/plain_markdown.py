"""The Markdown that the project's own documents use, as HTML: headings, paragraphs, lists, quotes, tables and code."""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

_FENCE = "```"
_INLINE = (
    (r"`([^`]+)`", r"<code>\1</code>"),
    (r"\*\*([^*]+)\*\*", r"<strong>\1</strong>"),
    (r"\*([^*\s][^*]*)\*", r"<em>\1</em>"),
    (r"!\[([^\]]*)\]\([^)]*\)", ""),
    (r"\[([^\]]+)\]\((https?://[^)]+)\)", r'<a href="\2">\1</a>'),
    # The server does not have the files that the documents link to.
    (r"\[([^\]]+)\]\([^)]*\)", r"\1"),
)


def as_html(text: str) -> Markup:
    """Return a document as HTML, without its first heading and its comments."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\A\s*# .*\n", "", text)
    parts = re.split(rf"^{_FENCE}\w*\n(.*?)^{_FENCE}$", text, flags=re.DOTALL | re.MULTILINE)
    html = [_code(part) if i % 2 else _blocks(part) for i, part in enumerate(parts)]
    return Markup("\n".join(html))


def _code(text: str) -> str:
    return f'<pre class="code" tabindex="0"><code>{escape(text)}</code></pre>'


def _blocks(text: str) -> str:
    return "\n".join(_block(block.strip("\n").split("\n")) for block in re.split(r"\n\s*\n", text) if block.strip())


def _block(lines: Sequence[str]) -> str:
    if heading := re.match(r"(#{1,4}) (.*)", lines[0]):
        level = max(2, len(heading[1]))
        rest = _block(lines[1:]) if lines[1:] else ""
        return f"<h{level}>{_inline(heading[2])}</h{level}>{rest}"
    if lines[0].startswith("|"):
        return _table([line.strip().strip("|").split("|") for line in lines if not re.fullmatch(r"[|:\- ]+", line)])
    start = next((i for i, line in enumerate(lines) if line.startswith("- ")), None)
    if start is not None:
        items = re.split(r"^- ", "\n".join(lines[start:]), flags=re.MULTILINE)[1:]
        before = _block(lines[:start]) if start else ""
        return before + "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
    return f"<p>{_inline(' '.join(line.removeprefix('> ') for line in lines))}</p>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ["".join(f"<td>{_inline(cell.strip())}</td>" for cell in row) for row in rows]
    head = head.replace("<td>", '<th scope="col">').replace("</td>", "</th>")
    filled = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        '<div class="table-scroll" tabindex="0"><table class="table"><thead><tr>'
        f"{head}</tr></thead><tbody>{filled}</tbody></table></div>"
    )


def _inline(text: str) -> str:
    html = str(escape(" ".join(text.split())))
    for pattern, replacement in _INLINE:
        html = re.sub(pattern, replacement, html)
    return html
