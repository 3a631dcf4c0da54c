"""Take the screenshots of README and the start page's result: `make screenshots`. Needs Chromium.

The served models answer. Where they never say "uncertain" or "not a brain MRI", tiny ones do.
"""

import io
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, read_card
from tests.support.networks import models_that_answer
from tests.support.page_states import STATES, WEBGL_FLAGS, open_state
from tests.support.samples import TOP
from tests.support.server import served

FOLDER = TOP / "docs" / "screenshots"
# The image on the start page, and its side.
RESULT, _RESULT_PX = TOP / "static" / "examples" / "result.webp", 320
# Name, width in pixels, colour scheme, language.
VIEWS = (("wide-light-en", 1200, "light", "en"), ("narrow-dark-fr", 390, "dark", "fr"))
_QUALITY = 70
# The states of the film, in order, how long each is shown, and its width.
_FILM, _FILM_MS, _FILM_PX = ("empty", "preview", "busy", "results"), 1800, 800
# The rest of the page is the same in every state.
_HEIGHT_PX = 1400


def main() -> int:
    """Write RESULT, FOLDER/STATE-VIEW.webp for every state and view, and the film; return 2 if there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Expected Chromium. There is none on this machine.", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = _serve(stack, scratch)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium, args=WEBGL_FLAGS)
        _take_result(browser, addresses["class"])
        for view, width, scheme, language in VIEWS:
            for state in STATES:
                context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page = context.new_page()
                open_state(page, state, addresses, language, scratch)
                # NiiVue draws later than the page.
                page.wait_for_timeout(4000 if state == "volume" else 300)
                clip = {"x": 0, "y": 0, "width": width, "height": _HEIGHT_PX}
                _save(page.screenshot(full_page=True, clip=clip), FOLDER / f"{state}-{view}.webp")
                context.close()
    _make_film()
    return 0


def _serve(stack: ExitStack, scratch: Path) -> dict[str, str]:
    gated = read_card(WEIGHTS_FOLDER / f"{DEFAULT_MODELS[0]}.json").gate is not None
    addresses = {}
    for answer in ("class", UNCERTAIN, NOT_BRAIN_MRI):
        folder = WEIGHTS_FOLDER
        if answer == UNCERTAIN or (answer == NOT_BRAIN_MRI and not gated):
            folder = models_that_answer(answer, WEIGHTS_FOLDER, scratch / answer)
        host, port = stack.enter_context(served(folder))
        addresses[answer] = f"http://{host}:{port}/"
    return addresses


def _take_result(browser: Browser, address: str) -> None:
    """Take the image of a sample with its colours, without a word, for all languages."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{address}?lang=en")
    page.locator("button[value=meningioma]").click()
    page.locator(".result .viewer-label").first.click()
    with Image.open(io.BytesIO(page.locator(".film").screenshot())) as picture:
        side = min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        square = picture.crop((left, top, left + side, top + side)).resize((_RESULT_PX, _RESULT_PX))
        square.convert("RGB").save(RESULT, "WEBP", quality=60, method=6)
    page.close()


def _make_film() -> None:
    """Show the states of an upload one after the other, from the screenshots, as an animated image."""
    frames = []
    for state in _FILM:
        with Image.open(FOLDER / f"{state}-{VIEWS[0][0]}.webp") as picture:
            height = picture.height * _FILM_PX // picture.width
            frames.append(picture.convert("RGB").resize((_FILM_PX, height), Image.Resampling.LANCZOS))
    # The last one stays longer.
    times = [_FILM_MS] * (len(frames) - 1) + [3 * _FILM_MS]
    frames[0].save(
        FOLDER / "film.webp", "WEBP", save_all=True, append_images=frames[1:], duration=times, loop=0, quality=_QUALITY
    )


def _save(png: bytes, file: Path) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(file, "WEBP", quality=_QUALITY, method=6)


if __name__ == "__main__":
    sys.exit(main())
