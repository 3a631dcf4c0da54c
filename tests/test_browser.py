"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import served

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

TOP = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
# The sandbox needs rights that a container lacks; the rest keeps Chromium from calling its maker.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    with served(tiny_models) as (host, port):
        yield f"http://{host}:{port}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, browser, address: str):  # type: ignore[no-untyped-def]
    """The start page; at the end, nothing may have gone wrong in the console, nor anything been asked of others."""
    context = browser.new_context(java_script_enabled=request.param)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    opened.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else errors.append(r.url))
    opened.goto(address)
    yield opened
    context.close()
    assert errors == []


def wait_for(page, selector: str) -> None:  # type: ignore[no-untyped-def]
    """Wait for the answer and then for its last byte: an element is seen before its page is whole."""
    page.wait_for_selector(selector)
    page.wait_for_load_state("load")


def shares(page) -> dict[str, float]:  # type: ignore[no-untyped-def]
    rows = page.locator(".probabilities tbody tr")
    cells = [(r.locator("th").inner_text(), r.locator(".number").inner_text()) for r in rows.all()]
    return {label: float(text.removesuffix(" %")) for label, text in cells}


def test_uploaded_sample_shows_class_probabilities_and_heat_map(page) -> None:  # type: ignore[no-untyped-def]
    page.set_input_files("#files", TOP / "static" / "samples" / "meningioma.jpg")
    page.get_by_role("button", name="Classify").click()
    wait_for(page, ".result")
    found = shares(page)
    assert sum(found.values()) == pytest.approx(100, abs=0.3)
    assert page.locator(".result-class").inner_text().strip() == max(found, key=found.__getitem__)
    widths = [image.evaluate("image => image.naturalWidth") for image in page.locator(".slice").all()]
    assert widths == [591, 591]
    assert "Not a medical device" in page.locator(".result").inner_text()


def test_sample_button_answers_with_the_default_model(page) -> None:  # type: ignore[no-untyped-def]
    page.get_by_role("button", name="Pituitary tumor").click()
    wait_for(page, ".result")
    assert set(shares(page)) == {"Glioma", "Meningioma", "Pituitary tumor", "No tumor"}


def test_sample_follows_the_model_that_is_chosen_in_the_form(browser, address: str) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.locator("#model-vgg16").check()
    page.get_by_role("button", name="Pituitary tumor").click()
    wait_for(page, ".result")
    assert set(shares(page)) == {"Tumor", "No tumor"}
    context.close()


def test_wrong_file_shows_the_reason_and_keeps_the_form(page) -> None:  # type: ignore[no-untyped-def]
    page.set_input_files("#files", TOP / "README.md")
    page.get_by_role("button", name="Classify").click()
    wait_for(page, ".error-summary")
    assert page.title().startswith("Error:")
    assert "another kind" in page.locator(".error-summary").inner_text()
    assert page.locator("#files").get_attribute("aria-describedby") == "files-hint files-error"


def test_keyboard_alone_reaches_a_result(browser, address: str) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "sample":
            break
    page.keyboard.press("Enter")
    wait_for(page, ".result")
    # The script that moves the focus runs when the page is whole, which may be after the result is seen.
    page.wait_for_function("document.activeElement.id === 'results-heading'")
    context.close()


def test_preview_and_size_check_come_before_the_upload(browser, address: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.set_input_files("#files", TOP / "static" / "samples" / "glioma.jpg")
    page.wait_for_selector(".preview")
    assert "glioma.jpg" in page.locator("[data-status]").inner_text()
    (tmp_path / "big.png").write_bytes(bytes(21_000_000))
    page.set_input_files("#files", tmp_path / "big.png")
    page.get_by_role("button", name="Classify").click()
    assert "at most 20 MB" in page.locator("[data-status]").inner_text()
    assert page.url == address
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_page_never_scrolls_sideways(browser, address: str, scheme: str) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.get_by_role("button", name="Glioma").click()
    wait_for(page, ".result")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    context.close()
