"""Write the table of settings in docs/operate.md from web.settings: `python -m web.settings_page`."""

from pathlib import Path
from typing import Any

from model.card import WEIGHTS_FOLDER
from model.safe_files import write_atomically
from web.settings import PREFIX, TABLE

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs" / "operate.md"
BEGIN = "<!-- settings: made by `python -m web.settings_page` -->\n"
END = "<!-- end of settings -->"


def with_table(page: str) -> str:
    """Return the page with the table of settings as it is now between BEGIN and END."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}"


def table() -> str:
    """Return a Markdown table: a row per setting, with its variable, default and sentence."""
    rows = [
        f"| `{PREFIX}{name}` | {_shown(setting.default)} | {setting.metadata['sentence']} |"
        for name, setting in TABLE.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows, ""])


def _shown(default: Any) -> str:
    """Return a default as one types it into the environment."""
    if default == WEIGHTS_FOLDER:
        return f"`{WEIGHTS_FOLDER.relative_to(TOP).as_posix()}`"
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    return f"`{text}`" if text else "none"


if __name__ == "__main__":
    write_atomically(PAGE, with_table(PAGE.read_text(encoding="utf-8")).encode())
