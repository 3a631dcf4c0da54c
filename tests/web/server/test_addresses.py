"""The server prints its addresses."""

import urllib.request
from pathlib import Path

import pytest

from tests.support.server import free_port, gunicorn
from web.server.addresses import most_open_host, page_address


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


@pytest.mark.parametrize(
    ("bound", "host"),
    [
        ([("127.0.0.1", 8000)], "127.0.0.1"),
        ([("::1", 8000, 0, 0)], "::1"),
        ([("127.0.0.1", 8000), ("0.0.0.0", 8001)], "0.0.0.0"),
        (["/run/app.sock"], "/run/app.sock"),
    ],
)
def test_host_is_one_that_others_reach_if_there_is_one(bound: list[tuple[str, int] | str], host: str) -> None:
    assert most_open_host(bound) == host


@pytest.mark.parametrize(("arguments", "limit_mb"), [([], 256), (["--bind", "0.0.0.0:{port}"], 60)])
def test_upload_limit_is_that_of_the_addresses_that_gunicorn_was_told(
    arguments: list[str], limit_mb: int, tiny_models: Path
) -> None:
    further = [argument.format(port=free_port()) for argument in arguments]
    with (
        gunicorn(tiny_models, further) as server,
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=10) as page,
    ):
        assert f'data-max-bytes="{limit_mb}000000"' in page.read().decode()


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
