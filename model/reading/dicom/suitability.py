"""What DICOM files say they show: whether that is an MR picture of a head, and what their sender should know."""

from collections.abc import Sequence

from model.errors import UnsuitableImage
from model.reading.dicom.header import Header
from model.sentences import Sentence

# What modalities are called. Source: DICOM PS3.3, C.7.3.1.1.1.
MODALITIES = {
    "CT": Sentence("computed tomography (CT)"),
    "US": Sentence("ultrasound (US)"),
    "CR": Sentence("an X-ray picture (CR)"),
    "DX": Sentence("an X-ray picture (DX)"),
    "RF": Sentence("an X-ray picture (RF)"),
    "XA": Sentence("an angiography (XA)"),
    "MG": Sentence("a mammography (MG)"),
    "PT": Sentence("positron emission tomography (PT)"),
    "NM": Sentence("nuclear medicine (NM)"),
    "SR": Sentence("a report (SR)"),
    "DOC": Sentence("a document (DOC)"),
    "PR": Sentence("a presentation state (PR)"),
    "KO": Sentence("a list of pictures (KO)"),
    "SEG": Sentence("a segmentation (SEG)"),
    "ECG": Sentence("an electrocardiogram (ECG)"),
    "RTSTRUCT": Sentence("a plan for radiotherapy (RTSTRUCT)"),
    "RTPLAN": Sentence("a plan for radiotherapy (RTPLAN)"),
    "RTDOSE": Sentence("a plan for radiotherapy (RTDOSE)"),
}
# Modalities of pictures that were made from others, such as screenshots of a viewer.
SECONDARY = {"OT", "SC"}
# BodyPartExamined is of the head where it contains one of these. Source: DICOM PS3.16, annex L, and its spellings in
# scanners' protocols.
HEAD_WORDS = ("HEAD", "BRAIN", "SKULL", "CRANI", "CEREBR", "PITUIT", "SELLA", "ORBIT", "NEURO")


def check_suitable(header: Header) -> None:
    """Refuse what says that it is no MR picture of a head.

    Raises:
        UnsuitableImage: by its modality or its part of the body, the file is something else.
    """
    if header.modality not in {"", "MR", *SECONDARY}:
        raise UnsuitableImage(
            Sentence(
                "Expected an MR slice. Received a DICOM file that says it is {modality}. "
                "Send slices of an MR series of the head.",
                modality=MODALITIES.get(header.modality, Sentence("of another kind")),
            )
        )
    if header.body_part and not any(word in header.body_part for word in HEAD_WORDS):
        raise UnsuitableImage(
            Sentence(
                "Expected an MR slice of the head. Received a DICOM file that says it shows another part of the "
                "body. Send a series of the head, or correct what the file says."
            )
        )


def notes_on(headers: Sequence[Header]) -> list[Sentence]:
    """Give what the sender of these files should know of them."""
    notes = []
    if any(header.modality in SECONDARY for header in headers):
        notes.append(
            Sentence(
                "The DICOM file says it is a secondary capture, such as a screenshot; send the MR series if you can."
            )
        )
    if any(not header.modality for header in headers):
        notes.append(Sentence("The DICOM file does not say what it was made with; it was taken for an MR slice."))
    if any(header.is_coloured for header in headers):
        notes.append(Sentence("The DICOM file is coloured; its colours were turned into grey."))
    if any(header.is_burned_in for header in headers):
        notes.append(
            Sentence(
                "The DICOM file says that text is written into its picture, which may be a name. "
                "Look at it before you pass it on."
            )
        )
    return notes
