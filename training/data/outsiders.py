"""Images that are not brain MRI, for choosing and measuring the gate's threshold: a folder per kind.

All images are drawn here or come with installed packages, so anyone can rebuild the collection; it is not in the
repository. Half of the kinds choose the threshold, the other half only measure it: a gate that merely learned the
looks of the first half fails on the second.
"""

import io
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from training.errors import DataError

# Both halves have photographs, text, drawings, noise and medical images.
TUNING_KINDS = ("wallpapers", "documents", "noise", "shapes", "digits", "x_ray_and_ct")
TEST_KINDS = (
    "photographs", "microscopy_and_space", "charts", "textures", "gradients", "faces", "phantoms",
    "handwriting", "ultrasound_and_others", "icons", "flat",
)  # fmt: skip
PER_KIND = 60
_SIZE = 256

# Files in scikit-image's wheel; its other images need a download.
_MICROSCOPY_AND_SPACE = (
    "ihc.png", "cell.png", "hubble_deep_field.jpg", "moon.png", "retina.jpg", "microaneurysms.png",
)  # fmt: skip
_TEXTURES = (
    "brick.png", "grass.png", "gravel.png", "chessboard_GRAY.png", "page.png", "text.png", "horse.png", "logo.png",
)  # fmt: skip

_WORDS = (
    "the", "patient", "results", "of", "a", "letter", "on", "paper", "with", "tables", "12.5", "mg", "daily", "figure",
    "hospital", "date",
)  # fmt: skip

Picture = NDArray[np.uint8]


def gather_outsiders(out: Path, extra: dict[str, list[Path]], seed: int = 0) -> None:
    """Write PNG files into out/KIND/; an existing folder is kept. `extra`: folders with more images of a kind.

    Raises:
        DataError: a folder of extra images does not exist, or names an unknown kind.
    """
    _check_extra(extra)
    if out.exists():
        return
    aside = out.with_name(f"{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    counts = {}
    for kind in (*TUNING_KINDS, *TEST_KINDS):
        random = np.random.default_rng((seed, len(kind), *kind.encode()))
        maker = _MAKERS.get(kind)
        pictures = [*_extra_pictures(extra.get(kind, []), random), *(maker(random) if maker else ())][:PER_KIND]
        (aside / kind).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(aside / kind / f"{i:03}.png")
        counts[kind] = len(pictures)
    aside.replace(out)
    print(f"{sum(counts.values())} images of {sum(n > 0 for n in counts.values())} kinds in {out}: {counts}")


def _check_extra(extra: dict[str, list[Path]]) -> None:
    for kind, folders in extra.items():
        missing = [str(folder) for folder in folders if not folder.is_dir()]
        if kind not in (*TUNING_KINDS, *TEST_KINDS) or missing:
            raise DataError(
                f"Expected KIND=FOLDER with KIND among {', '.join((*TUNING_KINDS, *TEST_KINDS))}. "
                f"Received {kind}={', '.join(map(str, folders))}."
            )


def _extra_pictures(folders: list[Path], random: np.random.Generator) -> Iterator[Picture]:
    files = sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    # Wallpapers repeat one motif in several sizes and shades.
    seen: set[bytes] = set()
    for i in random.permutation(len(files)):
        try:
            with Image.open(files[i]) as opened:
                picture = opened.convert("RGB")
        except (OSError, ValueError):
            continue
        motif = np.asarray(picture.convert("L").resize((4, 4))).tobytes()
        if motif not in seen and min(picture.size) >= 32:
            seen.add(motif)
            picture.thumbnail((512, 512))
            yield np.asarray(picture)


def _documents(random: np.random.Generator) -> Iterator[Picture]:
    words = np.array(_WORDS)
    for _ in range(PER_KIND):
        dark = random.random() < 0.3
        page = Image.new(
            "L", (_SIZE + int(random.integers(0, 200)), _SIZE + int(random.integers(0, 200))), 0 if dark else 255
        )
        draw, size = ImageDraw.Draw(page), int(random.integers(8, 24))
        for y in range(10, page.height - size, int(size * 1.5)):
            line = " ".join(random.choice(words, int(random.integers(2, 14))))
            draw.text(
                (int(random.integers(5, 30)), y), line, fill=255 if dark else 0, font=ImageFont.load_default(size)
            )
        yield np.asarray(page)


def _handwriting(random: np.random.Generator) -> Iterator[Picture]:
    """Scribbles: smooth random curves on paper or on a blackboard."""
    for _ in range(PER_KIND):
        dark = random.random() < 0.5
        page = Image.new("L", (_SIZE, _SIZE), 10 if dark else 245)
        draw = ImageDraw.Draw(page)
        for _ in range(int(random.integers(2, 12))):
            steps = gaussian_filter(random.normal(0, 12, (120, 2)), (4, 0)).cumsum(axis=0)
            points = [tuple(p) for p in steps + random.uniform(20, _SIZE - 20, 2)]
            draw.line(points, fill=235 if dark else 30, width=int(random.integers(1, 5)))
        yield np.asarray(page)


def _noise(random: np.random.Generator) -> Iterator[Picture]:
    for i in range(PER_KIND):
        field = gaussian_filter(random.normal(0, 1, (_SIZE, _SIZE)), float(random.choice([0, 0.7, 2, 5, 12])))
        unit = (field - field.min()) / np.ptp(field)
        yield (255 * (unit ** random.uniform(0.5, 3) if i % 2 else unit > random.uniform(0.3, 0.7))).astype(np.uint8)


def _gradients(random: np.random.Generator) -> Iterator[Picture]:
    y, x = np.mgrid[-1 : 1 : _SIZE * 1j, -1 : 1 : _SIZE * 1j]
    for i in range(PER_KIND):
        angle = random.uniform(0, 2 * np.pi)
        ramp = np.cos(angle) * x + np.sin(angle) * y
        fields = (ramp, np.exp(-(x * x + y * y) / random.uniform(0.1, 1)), np.sin(ramp * random.uniform(3, 25)))
        field = fields[i % 3]
        yield (255 * (field - field.min()) / np.ptp(field)).astype(np.uint8)


def _flat(random: np.random.Generator) -> Iterator[Picture]:
    for i in range(PER_KIND):
        level = int(random.integers(0, 256))
        picture = np.full((_SIZE, _SIZE), level, np.float64)
        if i % 2:
            picture += random.normal(0, random.uniform(0.5, 4), picture.shape)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def _shapes(random: np.random.Generator) -> Iterator[Picture]:
    for _ in range(PER_KIND):
        page = Image.new("L", (_SIZE, _SIZE), int(random.choice([0, 0, 128, 255])))
        draw = ImageDraw.Draw(page)
        for _ in range(int(random.integers(1, 10))):
            x, y = random.integers(0, _SIZE - 40, 2).tolist()
            w, h = random.integers(15, 160, 2).tolist()
            shape = [draw.rectangle, draw.ellipse, draw.rounded_rectangle][int(random.integers(3))]
            shape((x, y, x + w, y + h), fill=int(random.integers(0, 256)), outline=int(random.integers(0, 256)))
        yield np.asarray(page)


def _phantoms(random: np.random.Generator) -> Iterator[Picture]:
    """Discs, eggs and fruit on black: bright ovals with content, filling the frame like a head."""
    y, x = np.mgrid[-1 : 1 : _SIZE * 1j, -1 : 1 : _SIZE * 1j]
    for i in range(PER_KIND):
        radius = np.hypot(x / random.uniform(0.55, 0.9), y / random.uniform(0.7, 0.95))
        texture = gaussian_filter(random.normal(0, 1, radius.shape), random.uniform(1, 10))
        inside = (
            0.5 + 0.3 * texture / np.abs(texture).max() + (0.3 * np.sin(radius * random.uniform(4, 30)) if i % 2 else 0)
        )
        yield (255 * np.clip(np.where(radius < 1, inside, 0), 0, 1)).astype(np.uint8)


def _charts(random: np.random.Generator) -> Iterator[Picture]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for i in range(PER_KIND):
        figure = Figure(figsize=(3, 3), dpi=90, facecolor="black" if i % 4 == 0 else "white")
        axes = figure.add_subplot()
        x = np.linspace(0, 10, 30)
        match i % 5:
            case 0:
                axes.plot(x, random.normal(size=(30, 3)).cumsum(axis=0))
            case 1:
                axes.bar(x[:8], random.random(8))
            case 2:
                axes.scatter(*random.normal(size=(2, 90)))
            case 3:
                axes.pie(random.random(5))
            case _:
                axes.imshow(random.random((9, 9)))
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
        with Image.open(buffer) as drawn:
            yield np.asarray(drawn.convert("RGB"))


def _digits(random: np.random.Generator) -> Iterator[Picture]:
    from sklearn.datasets import load_digits

    images = load_digits().images
    for i in range(PER_KIND):
        side = int(random.choice([1, 1, 2, 4]))
        chosen = images[random.integers(0, len(images), side * side)].reshape(side, side, 8, 8).swapaxes(1, 2)
        tile = Image.fromarray((chosen.reshape(8 * side, 8 * side) * 15.9).astype(np.uint8))
        picture = np.asarray(tile.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC))
        yield picture if i % 2 else 255 - picture


def _from_scikit_image(names: tuple[str, ...]) -> Callable[[np.random.Generator], Iterator[Picture]]:
    def pictures(random: np.random.Generator) -> Iterator[Picture]:
        import skimage.data

        folder = Path(skimage.data.__file__).parent
        files = [folder / name for name in names if (folder / name).is_file()]
        for i in range(PER_KIND if files else 0):
            with Image.open(files[i % len(files)]) as opened:
                picture = opened.convert("RGB")
            yield _crop(picture, random) if i >= len(files) else np.asarray(picture)

    return pictures


def _photographs(random: np.random.Generator) -> Iterator[Picture]:
    from sklearn.datasets import load_sample_images

    names = ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "rocket.jpg", "motorcycle_left.png",
             "clock_motion.png", "coins.png", "color.png")  # fmt: skip
    own = _from_scikit_image(names)(random)
    samples = [Image.fromarray(picture) for picture in load_sample_images().images]
    for i, picture in enumerate(own):
        yield _crop(samples[i // 5 % 2], random) if i % 5 == 4 else picture


def _faces(_: np.random.Generator) -> Iterator[Picture]:
    import skimage.data

    for face in np.load(Path(skimage.data.__file__).parent / "lfw_subset.npy")[:PER_KIND]:
        grey = Image.fromarray((255 * face / face.max()).astype(np.uint8))
        yield np.asarray(grey.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC))


def _dicom(wanted: tuple[str, ...]) -> Callable[[np.random.Generator], Iterator[Picture]]:
    """Images of pydicom's test files by modality, without MR heads."""

    def pictures(random: np.random.Generator) -> Iterator[Picture]:
        import pydicom
        from pydicom.data import get_testdata_files

        seen: set[bytes] = set()
        # Offline, pydicom warns about files it would download; some that it ships are odd on purpose.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            files = sorted(get_testdata_files("*.dcm"))
        for file in files:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    dataset = pydicom.dcmread(file)
                    is_abdomen = dataset.get("BodyPartExamined") == "ABDOMEN"
                    kind = "MR_ABDOMEN" if is_abdomen else str(dataset.get("Modality"))
                    if kind not in wanted:
                        continue
                    frames = np.asarray(dataset.pixel_array, np.float64)
            except Exception:  # noqa: BLE001 - some of these files are damaged or compressed on purpose
                continue
            for frame in frames.reshape(-1, *frames.shape[1:])[:3] if frames.ndim == 4 else [frames]:
                grey = frame if frame.ndim == 2 else frame.mean(axis=-1) if frame.shape[-1] == 3 else frame[0]
                picture = np.clip((grey - grey.min()) / max(np.ptp(grey), 1e-9) * 255, 0, 255).astype(np.uint8)
                motif = np.asarray(Image.fromarray(picture).resize((6, 6))).tobytes()
                if motif not in seen and min(picture.shape) >= 32:
                    seen.add(motif)
                    yield picture
                    for _ in range(4):
                        yield _crop(Image.fromarray(picture), random)

    return pictures


def _crop(picture: Image.Image, random: np.random.Generator) -> Picture:
    share = random.uniform(0.45, 0.9)
    width, height = int(picture.width * share), int(picture.height * share)
    left, top = int(random.integers(0, picture.width - width + 1)), int(random.integers(0, picture.height - height + 1))
    return np.asarray(picture.crop((left, top, left + width, top + height)))


_MAKERS: dict[str, Callable[[np.random.Generator], Iterator[Picture]]] = {
    "documents": _documents, "handwriting": _handwriting, "noise": _noise, "gradients": _gradients, "flat": _flat,
    "shapes": _shapes, "phantoms": _phantoms, "charts": _charts, "digits": _digits, "faces": _faces,
    "photographs": _photographs,
    "microscopy_and_space": _from_scikit_image(_MICROSCOPY_AND_SPACE),
    "textures": _from_scikit_image(_TEXTURES),
    "x_ray_and_ct": _dicom(("CT", "CR", "DX", "MG")),
    "ultrasound_and_others": _dicom(("US", "NM", "OT", "PT", "XA", "RTDOSE", "MR_ABDOMEN")),
}  # fmt: skip
