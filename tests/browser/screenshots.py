"""Take the screenshots of README: `python -m tests.browser.screenshots` (make screenshots). Needs Chromium.

The served models answer, but for "uncertain" and "not a brain MRI" where they never say so: then tiny ones do.
"""

import io
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER, read_card
from tests.support.networks import models_that_answer
from tests.support.page_states import FLAGS, STATES, open_state
from tests.support.samples import TOP
from tests.support.server import served

FOLDER = TOP / "docs" / "screenshots"
# Name, width in pixels, colour scheme, language.
VIEWS = (("wide-light-en", 1200, "light", "en"), ("narrow-dark-fr", 390, "dark", "fr"))
_QUALITY = 70
# What stands further below is the same in every state.
_HEIGHT_PX = 1400


def main() -> int:
    """Write FOLDER/STATE-VIEW.webp for every state and view; give 2 where there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Expected Chromium. There is none on this machine.", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = _serve(stack, scratch)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium, args=FLAGS)
        for view, width, scheme, language in VIEWS:
            for state in STATES:
                context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page = context.new_page()
                open_state(page, state, addresses, language, scratch)
                page.wait_for_timeout(300)
                clip = {"x": 0, "y": 0, "width": width, "height": _HEIGHT_PX}
                _save(page.screenshot(full_page=True, clip=clip), FOLDER / f"{state}-{view}.webp")
                context.close()
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


def _save(png: bytes, file: Path) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(file, "WEBP", quality=_QUALITY, method=6)


if __name__ == "__main__":
    sys.exit(main())
