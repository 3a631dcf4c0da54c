"""The script's viewer for images, in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.page_states import FLAGS
from tests.support.samples import SAMPLES
from tests.support.server import served

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    with served(tiny_models) as (host, port):
        yield f"http://{host}:{port}/"


@pytest.fixture
def opened(address: str) -> Iterator[Any]:
    """The start page; afterwards the console must have no errors, and no request may have gone to another site."""
    with playwright.sync_playwright() as started:
        page = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else errors.append(r.url))
        page.goto(address)
        yield page
        assert errors == []


def show(page: Any, file: Path) -> None:
    page.set_input_files("#files", file)
    page.locator(".button").click()
    page.locator(".result").wait_for()
    page.wait_for_load_state("load")


def test_image_is_zoomed_moved_windowed_and_saved_with_its_colours(opened: Any, tmp_path: Path) -> None:
    show(opened, SAMPLES / "glioma.jpg")
    film, move = opened.locator("[data-film]"), opened.locator(".film-move")
    transform = "element => getComputedStyle(element).transform"
    whole = move.evaluate(transform)
    film.focus()
    for key in ("+", "+", "ArrowLeft"):
        opened.keyboard.press(key)
    scale, *_, x, _ = map(float, move.evaluate(transform).removeprefix("matrix(").removesuffix(")").split(","))
    assert (scale, x) == (pytest.approx(1.5625), 40)
    opened.get_by_role("slider", name="Brightness").fill("150")
    assert "brightness(1.5)" in opened.locator(".slice").evaluate("image => getComputedStyle(image).filter")
    opened.get_by_role("button", name="Reset").click()
    assert move.evaluate(transform) == whole
    opened.locator(".viewer-label", has_text="Tumor").first.click()
    assert opened.locator(".colour-bar").is_visible()
    with opened.expect_download() as download:
        opened.get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename == "glioma-overlay.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as saved:
        assert max(saved.size) >= 768
