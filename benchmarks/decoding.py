"""Reading and preprocessing of one picture, without network and HTTP."""

from benchmarks.plan import PICTURE, Plan
from benchmarks.rows import Finding
from benchmarks.timing import Sample, times_in_turn
from model.files import read_files
from model.images import MriImage
from model.preprocessing import preprocess


def measure(plan: Plan) -> list[Finding]:
    """Take the two steps apart and together, in this process."""
    side = plan.network.card.input_size_px
    image = _image(plan.picture)
    actions = {
        "both": lambda: preprocess(_image(plan.picture).pixels, side),
        "reading": lambda: _image(plan.picture),
        "preprocessing": lambda: preprocess(image.pixels, side),
    }
    taken = times_in_turn(actions, 5 * plan.n_rounds)
    samples = {f"{name}, ms": sample.scaled(1000) for name, sample in taken.items()}
    height, width = image.pixels.shape
    note = f"{PICTURE.name}, {width} x {height} pixels: model.files.read_files, model.preprocessing.preprocess."
    return [Finding.of_sample("decoding", Sample(samples["both, ms"].values), samples=samples, notes=(note,))]


def _image(content: bytes) -> MriImage:
    (reading,) = read_files([content])
    if not isinstance(reading.content, MriImage):
        raise TypeError(f"Expected a picture in {PICTURE}. Received {reading.content!r}.")
    return reading.content
