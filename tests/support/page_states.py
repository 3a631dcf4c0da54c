"""Put the page in a real browser into each of its states, for tests and screenshots."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from tests.support.samples import SAMPLES, TOP

# The sandbox needs rights that a container lacks; the other options keep Chromium from calling its maker.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
# With WebGL, by the processor.
WEBGL_FLAGS = [*(flag for flag in FLAGS if flag != "--disable-gpu"), "--use-gl=angle", "--use-angle=swiftshader",
               "--enable-unsafe-swiftshader"]  # fmt: skip
STATES = ("empty", "preview", "busy", "results", "uncertain", "refused", "error", "volume", "docs")
# The server that a state needs, if not the one that answers with classes.
_SERVERS = {"uncertain": UNCERTAIN, "refused": NOT_BRAIN_MRI}


def made_volume(folder: Path, n_slices: int = 20) -> Path:
    """Write a NIfTI volume made from one sample slice: a head that grows and shrinks towards its ends."""
    with Image.open(SAMPLES / "glioma.jpg") as picture:
        grey = picture.convert("L").resize((128, 128))
    volume = np.zeros((128, 128, n_slices), np.uint8)
    for index in range(n_slices):
        side = 54 + round(74 * np.sin(np.pi * (index + 1) / (n_slices + 1)))
        start = (128 - side) // 2
        shrunk = np.asarray(grey.resize((side, side)))
        # Stored as x (towards the patient's right), y (towards the forehead): the image's rows run the other way.
        volume[start : start + side, start : start + side, index] = shrunk[::-1].T
    file = folder / "volume.nii.gz"
    nibabel.Nifti1Image(volume, np.diag([-1.5, 1.5, 6.0, 1.0])).to_filename(file)
    return file


def made_photograph(folder: Path) -> Path:
    """Write a coloured image of nothing: soft blobs, as a photograph out of focus."""
    small = np.random.default_rng(1).integers(0, 255, (9, 12, 3), np.uint8)
    file = folder / "photograph.jpg"
    Image.fromarray(small).resize((480, 360), Image.Resampling.BICUBIC).save(file)
    return file


def open_state(page: Any, state: str, addresses: dict[str, str], language: str, folder: Path) -> None:
    """Open the page in a language and put it into a state; `folder` is for temporary files."""
    address = addresses[_SERVERS.get(state, "class")]
    page.goto(f"{address}?lang={language}")
    match state:
        case "preview":
            page.set_input_files("#files", [SAMPLES / "glioma.jpg", SAMPLES / "pituitary.jpg"])
            page.locator(".preview:visible").nth(1).wait_for()
        case "busy":
            # Never answered: the page keeps waiting.
            page.route("**/cards*", lambda _: None)
            _send(page, SAMPLES / "glioma.jpg", SAMPLES / "pituitary.jpg")
            page.locator(".pending").nth(1).wait_for()
        case "results" | "printed":
            _send(page, SAMPLES / "glioma.jpg", TOP / "README.md", SAMPLES / "no_tumor.jpg")
            page.locator(".result").nth(2).wait_for(state="attached")
            page.locator("[data-open]").first.click()
        case "uncertain":
            _send(page, SAMPLES / "meningioma.jpg")
            page.locator(".result").wait_for()
        case "refused":
            _send(page, made_photograph(folder))
            page.locator(".result").wait_for()
        case "error":
            page.goto(f"{address}nowhere?lang={language}")
            page.locator(".error-summary").wait_for()
        case "docs":
            page.goto(f"{address}api/docs?lang={language}")
        case "volume":
            _send(page, made_volume(folder))
            page.locator(".result").wait_for()


def _send(page: Any, *files: Path) -> None:
    page.set_input_files("#files", list(files))
    page.locator(".button").click()
