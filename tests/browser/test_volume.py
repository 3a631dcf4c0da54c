"""A volume in a real browser: three planes with WebGL, one large slice without."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.page_states import FLAGS, WEBGL_FLAGS, made_volume
from tests.support.samples import SAMPLES, TOP
from tests.support.server import served
from web.page.views import SAMPLES as SAMPLE_FILES

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
# The processor draws, and may be busy.
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    with served(tiny_models) as (host, port):
        yield f"http://{host}:{port}/"


@contextmanager
def opened(address: str, flags: list[str], **settings: Any) -> Iterator[tuple[Any, list[str]]]:
    """Open the start page; yield it with its requested addresses. The console must have no errors."""
    with playwright.sync_playwright() as started:
        page = started.chromium.launch(executable_path=CHROMIUM, args=flags).new_page(**settings)
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        yield page, asked
        assert errors == []


def show(page: Any, file: Path) -> None:
    page.set_input_files("#files", file)
    page.locator(".button").click()
    page.locator(".result").last.wait_for()
    page.wait_for_load_state("load")


def chosen(page: Any) -> int:
    """Return the number of the slice that is shown."""
    return int(page.locator(".slice-switch:checked").input_value())


def drawn(page: Any) -> bytes:
    """Return the planes as they are on screen."""
    content: bytes = page.locator("[data-canvas]").screenshot()
    return content


@pytest.mark.parametrize("is_made", [True, False], ids=["made", "sample"])
def test_three_planes_are_loaded_with_a_volume_and_crosshair_slices_and_opacity_go_together(
    address: str, tmp_path: Path, is_made: bool
) -> None:
    with opened(address, WEBGL_FLAGS) as (page, asked):
        assert page.evaluate("() => !!document.createElement('canvas').getContext('webgl2')")
        show(page, SAMPLES / "glioma.jpg")
        assert not [url for url in asked if "niivue" in url]
        page.get_by_role("button", name="Empty the list").click()
        show(page, made_volume(tmp_path) if is_made else TOP / "static" / SAMPLE_FILES["volume"])
        page.locator(".planes-on").wait_for()
        assert len([url for url in asked if "niivue" in url]) == 1
        assert page.locator(".slice:visible").count() == 0
        before = chosen(page)
        # It opens at the slice to look at first.
        assert page.locator(".slice-panel:visible .slice-best").is_visible()
        page.locator("[data-canvas]").focus()
        page.keyboard.press("PageUp")
        page.wait_for_function(f"() => document.querySelector('.slice-switch:checked').value === '{before + 1}'")
        assert int(page.get_by_role("slider", name="Slice").input_value()) == before + 1
        # The other way: the slider moves the crosshair, which is seen.
        at_one = drawn(page)
        third = int(page.locator(".slice-switch").nth(2).get_attribute("value"))
        page.get_by_role("slider", name="Slice").fill(str(third))
        assert chosen(page) == third
        page.wait_for_timeout(500)
        with_colours = drawn(page)
        assert with_colours != at_one
        page.get_by_role("slider", name="Opacity of the colours").fill("0")
        page.wait_for_timeout(500)
        assert drawn(page) != with_colours
        # So does the chart.
        chart = page.locator("[data-chart]")
        chart.click(position={"x": chart.bounding_box()["width"] - 8, "y": 20})
        assert chosen(page) == int(page.locator(".slice-switch").last.get_attribute("value"))


def test_finger_on_the_planes_moves_to_the_slice_under_it(address: str, tmp_path: Path) -> None:
    with opened(address, WEBGL_FLAGS, has_touch=True) as (page, _):
        show(page, made_volume(tmp_path))
        page.locator(".planes-on").wait_for()
        canvas = page.locator("[data-canvas]")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        finger = page.context.new_cdp_session(page)
        seen = []
        # Two places on the coronal plane, which is in the middle: the first is nearer to the top of the head.
        for share in (0.22, 0.42):
            place = {"x": box["x"] + 0.5 * box["width"], "y": box["y"] + share * box["height"]}
            finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
            # NiiVue overlooks a touch of less than a millisecond, which Playwright's tap is.
            page.wait_for_timeout(200)
            finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            page.wait_for_timeout(500)
            seen.append(chosen(page))
        assert seen[0] > seen[1]


@pytest.mark.parametrize("has_script", [True, False], ids=["no WebGL", "no script"])
def test_without_webgl_or_script_one_slice_is_large_with_previous_next_and_a_strip(
    address: str, tmp_path: Path, has_script: bool
) -> None:
    flags = [*FLAGS, "--disable-3d-apis"]
    with opened(address, flags, java_script_enabled=has_script, viewport={"width": 1000, "height": 900}) as (
        page,
        asked,
    ):
        show(page, made_volume(tmp_path))
        slices = page.locator(".slice:visible")
        assert slices.count() == 1
        assert slices.bounding_box()["height"] > 300
        before = chosen(page)
        assert page.get_by_role("slider", name="Slice").is_visible() == has_script
        page.locator(".slice-panel:visible").get_by_text("Next").click()
        assert chosen(page) == before + 1
        page.locator(".slice-panel:visible").get_by_text("Previous").click()
        assert chosen(page) == before
        page.locator(f"label.slice-label[for='slice-1-{before + 2}']").click()
        assert chosen(page) == before + 2
        assert slices.count() == 1
        assert page.locator(".planes").is_hidden()
        assert not [url for url in asked if "niivue" in url]
