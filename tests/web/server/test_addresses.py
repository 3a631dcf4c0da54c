"""The server prints its addresses."""

from pathlib import Path

import pytest

from tests.support.server import gunicorn
from web.server.addresses import page_address


@pytest.mark.parametrize(
    ("bound", "opened"),
    [
        ([("127.0.0.1", 8000)], "http://127.0.0.1:8000"),
        ([("0.0.0.0", 9000)], "http://127.0.0.1:9000"),
        ([("::1", 8000)], "http://[::1]:8000"),
        (["/run/app.sock", ("10.0.0.5", 80)], "http://10.0.0.5:80"),
        (["/run/app.sock"], ""),
    ],
)
def test_page_address_is_what_a_browser_of_this_machine_opens(bound: list[tuple[str, int] | str], opened: str) -> None:
    assert page_address(bound) == opened


def test_server_says_its_port_when_the_models_are_loaded_if_a_person_started_it(
    tiny_models: Path, tmp_path: Path
) -> None:
    with (
        (tmp_path / "output").open("wb") as output,
        gunicorn(tiny_models, environment={"SAY_READY": "1"}, output=output) as server,
    ):
        port = server.port
    assert f"Ready: http://127.0.0.1:{port}\n" in (tmp_path / "output").read_text()


def test_log_holds_no_such_line_otherwise(tiny_models: Path, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output, gunicorn(tiny_models, output=output):
        pass
    assert "Ready" not in (tmp_path / "output").read_text()
