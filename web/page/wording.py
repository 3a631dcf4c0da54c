"""Plain words for the classes and answers, once for all pages and reports."""

from dataclasses import dataclass

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.sentences import Sentence

LABELS = {
    "glioma": Sentence("Glioma"),
    "meningioma": Sentence("Meningioma"),
    "pituitary": Sentence("Pituitary tumor"),
    "no_tumor": Sentence("No tumor"),
    "tumor": Sentence("Tumor"),
    UNCERTAIN: Sentence("Uncertain"),
    NOT_BRAIN_MRI: Sentence("Not a brain MRI"),
}
SAMPLE_LABELS = {
    **{name: LABELS[name] for name in ("glioma", "meningioma", "pituitary", "no_tumor")},
    "volume": Sentence("Volume of a healthy head (NIfTI)"),
    "series": Sentence("Series of a head with a tumor (DICOM)"),
    "cat": Sentence("A cat"),
}


@dataclass(frozen=True)
class Description:
    """What a class is, in plain words, and where that is written at more length."""

    text: Sentence
    source: Sentence


# Never what it means for a person: no prognosis, no severity.
DESCRIPTIONS = {
    "glioma": Description(
        Sentence(
            "A glioma is a tumor that begins in the glial cells, which surround and support the nerve cells of the "
            "brain."
        ),
        Sentence("National Cancer Institute, Dictionary of Cancer Terms: “glioma”."),
    ),
    "meningioma": Description(
        Sentence(
            "A meningioma is a tumor that begins in the meninges, the thin layers of tissue around the brain and the "
            "spinal cord. It grows outside the brain but may press on it."
        ),
        Sentence("National Cancer Institute, Dictionary of Cancer Terms: “meningioma”."),
    ),
    "pituitary": Description(
        Sentence(
            "A pituitary tumor begins in the pituitary gland, an organ the size of a pea below the brain, which makes "
            "hormones."
        ),
        Sentence("National Cancer Institute, Dictionary of Cancer Terms: “pituitary tumor”."),
    ),
    "tumor": Description(
        Sentence(
            "This network was trained on gliomas, meningiomas and pituitary tumors. It does not tell them apart and "
            "knows no other tumor."
        ),
        Sentence("The model card."),
    ),
    "no_tumor": Description(
        Sentence(
            "The network found no sign of these tumors in this slice. That does not rule out a tumor, here or in "
            "another slice, or any other disease."
        ),
        Sentence("The model card."),
    ),
    UNCERTAIN: Description(
        Sentence("Try a neighbouring slice or another sequence. Only a specialist can settle it."),
        Sentence("The model card."),
    ),
    NOT_BRAIN_MRI: Description(
        Sentence(
            "If it is an MRI slice of a head, send it as it came from the scanner or viewer: the whole head, upright, "
            "without frames, panels or letters around it."
        ),
        Sentence("The model card."),
    ),
}

# Where a volume needs other words than a slice.
_OF_VOLUMES = {
    "no_tumor": Description(
        Sentence(
            "The network found no sign of these tumors in these slices. That does not rule out a tumor or any other "
            "disease."
        ),
        Sentence("The model card."),
    ),
    UNCERTAIN: Description(
        Sentence("Try another sequence. Only a specialist can settle it."),
        Sentence("The model card."),
    ),
}


def describe(answer: str, is_volume: bool) -> Description:
    """Return the plain words for an answer to a slice, or to a volume."""
    return (_OF_VOLUMES if is_volume else {}).get(answer) or DESCRIPTIONS[answer]
