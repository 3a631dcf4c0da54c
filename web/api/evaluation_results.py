"""Read the evaluation's results, once at start; the file is made outside the web application."""

import json
from pathlib import Path
from typing import Any

from web.api.schemas import ResultsSchema
from web.settings import SettingsError

RESULTS_FILE = Path(__file__).parents[2] / "training" / "results" / "served.json"


def read_results(path: Path) -> dict[str, Any] | None:
    """Return the content of the results' file unchanged, or None if there is no file.

    Raises:
        SettingsError: the file is there, but is not one of results.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _other_file(path) from error
    if not isinstance(results, dict) or ResultsSchema().validate(results):
        raise _other_file(path)
    return results


def _refuse_constant(name: str) -> None:
    # Python reads and writes NaN and Infinity, but JSON has neither.
    raise ValueError(f"{name} is not JSON")


def _other_file(path: Path) -> SettingsError:
    return SettingsError(f"Expected the results of an evaluation at {path}. It cannot be read as such.")
