"""Reading and preprocessing of one image, without the network and HTTP."""

from benchmarks.plan import PICTURE, Plan
from benchmarks.rows import Finding
from benchmarks.timing import times_in_turn
from model.preprocessing import preprocess
from model.reading.contents import Limits, MriImage, Reading
from model.reading.many_files import read_files
from model.sandbox.readers import Readers


def measure(plan: Plan) -> list[Finding]:
    """Take both steps together, as the app takes them: reading in a process of its own; and each apart."""
    side, limits, readers = plan.network.card.input_size_px, Limits(), Readers(n_at_once=1)
    image = _image(read_files([plan.picture]))
    actions = {
        "both": lambda: preprocess(_image(readers.read([plan.picture], limits)).pixels, side),
        "reading in a process of its own": lambda: readers.read([plan.picture], limits),
        "reading in the same process": lambda: read_files([plan.picture]),
        "preprocessing": lambda: preprocess(image.pixels, side),
    }
    try:
        taken = times_in_turn(actions, 5 * plan.n_rounds)
    finally:
        readers.close()
    samples = {f"{name}, ms": sample.scaled(1000) for name, sample in taken.items()}
    height, width = image.pixels.shape
    note = (
        f"{PICTURE.name}, {width} x {height} pixels: read by model.sandbox.child, then prepared by model.preprocessing."
    )
    return [Finding.of_sample("decoding", samples["both, ms"], samples=samples, notes=(note,))]


def _image(readings: list[Reading]) -> MriImage:
    (reading,) = readings
    if not isinstance(reading.content, MriImage):
        raise TypeError(f"Expected an image in {PICTURE}, but received {reading.content!r}.")
    return reading.content
