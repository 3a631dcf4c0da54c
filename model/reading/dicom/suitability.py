"""What DICOM files say they show: whether that is an MR image of a head, and what their sender should know."""

import re
import unicodedata
from collections.abc import Sequence

from model.errors import UnsuitableImage
from model.reading.dicom.header import Header
from model.sentences import Sentence

# What modalities are called. Source: DICOM PS3.3, C.7.3.1.1.1.
MODALITIES = {
    "CT": Sentence("computed tomography (CT)"),
    "US": Sentence("ultrasound (US)"),
    "CR": Sentence("an X-ray image (CR)"),
    "DX": Sentence("an X-ray image (DX)"),
    "RF": Sentence("an X-ray image (RF)"),
    "XA": Sentence("an angiography (XA)"),
    "MG": Sentence("a mammography (MG)"),
    "PT": Sentence("positron emission tomography (PT)"),
    "NM": Sentence("nuclear medicine (NM)"),
    "SR": Sentence("a report (SR)"),
    "DOC": Sentence("a document (DOC)"),
    "PR": Sentence("a presentation state (PR)"),
    "KO": Sentence("a list of images (KO)"),
    "SEG": Sentence("a segmentation (SEG)"),
    "ECG": Sentence("an electrocardiogram (ECG)"),
    "RTSTRUCT": Sentence("a set of contours for radiotherapy (RTSTRUCT)"),
    "RTPLAN": Sentence("a plan for radiotherapy (RTPLAN)"),
    "RTDOSE": Sentence("a dose of radiotherapy (RTDOSE)"),
}
# Modalities of images that were made from others, such as screenshots of a viewer.
SECONDARY = {"OT", "SC"}
_WORD = re.compile(r"[A-Z]+")
# Files of these classes hold slices: MR, enhanced MR. Source: DICOM PS3.4, B.5.
SLICES = {"1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"}
# Files of these classes hold no image. Source: DICOM PS3.4, B.5, and Philips' conformance statements.
SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66": Sentence("raw data of a scanner"),
    "1.3.46.670589.11.0.0.12.1": Sentence("spectra of a Philips scanner"),
    "1.3.46.670589.11.0.0.12.2": Sentence("a series of spectra of a Philips scanner"),
    "1.3.46.670589.11.0.0.12.4": Sentence("a protocol of a Philips scanner"),
    "1.2.840.10008.5.1.4.1.1.4.2": Sentence("MR spectroscopy"),
    "1.2.840.10008.5.1.4.1.1.104.1": Sentence("a PDF document"),
    "1.2.840.10008.5.1.4.1.1.11.1": Sentence("a presentation state (PR)"),
    "1.2.840.10008.1.3.10": Sentence("a directory of files (DICOMDIR)"),
}
# Words of ImageType that say that values were computed, or are no brightness. Source: DICOM PS3.3, C.8.3.1.1.1,
# C.8.13.3.1.1, and the conformance statements of Siemens, GE and Philips.
_COMPUTED = {
    "P", "PHASE", "PHASE MAP", "PHASE_MAP", "ADC", "EADC", "FA", "MIP", "MIN IP", "MINIP", "PROJECTION IMAGE",
    "SUBTRACTION", "B0 MAP", "T1 MAP", "T2 MAP", "TTP", "MTT", "RCBV", "RCBF",
}  # fmt: skip
# BodyPartExamined names another part than the head where it contains one of these and no word of the head. A word that
# is in neither list says nothing: scanners' operators write protocols and contrasts there too.
# Source: DICOM PS3.16, annex L, and its words in French, German, Spanish and Italian.
HEAD_WORDS = (
    "HEAD", "BRAIN", "SKULL", "CRANI", "CEREB", "ENCEPH", "PITUIT", "SELLA", "ORBIT", "NEURO", "TETE", "KOPF",
    "SCHADEL", "HIRN", "CABEZA", "TESTA", "CERVEAU", "CERVELLO", "WILLIS", "SINUS", "CRANE", "HIPPOC",
)  # fmt: skip
OTHER_WORDS = (
    "ABDOM", "BAUCH", "VENTRE", "CHEST", "THORA", "TORAX", "LUNG", "LUNGE", "POUMON", "PULM", "HEART", "CARDI",
    "COEUR", "HERZ", "CORAZON", "CUORE", "BREAST", "SEIN", "BRUST", "MAMA", "MAMM", "SENO", "SPINE", "RACHIS",
    "WIRBEL", "COLUMNA", "COLONNA", "LUMB", "LOMB", "LWS", "HWS", "BWS", "SACR", "COCCYX", "NECK", "HALS", "PELVI",
    "BECKEN", "BASSIN", "HIP", "HANCHE", "HUFT", "CADERA", "ANCA", "PROSTAT", "UTER", "OVAR", "BLADDER", "VESSIE",
    "LIVER", "FOIE", "LEBER", "HIGADO", "FEGATO", "KIDNEY", "REIN", "NIERE", "RINON", "RENE", "PANCREA", "SPLEEN",
    "BOWEL", "COLON", "RECTUM", "KNEE", "GENOU", "KNIE", "RODILLA", "GINOCCHIO", "SHOULDER", "EPAULE", "SCHULTER",
    "HOMBRO", "SPALLA", "ELBOW", "COUDE", "WRIST", "POIGNET", "HAND", "FINGER", "ANKLE", "CHEVILLE", "FOOT", "FUSS",
    "CALCAN", "TOE", "LEG", "BEIN", "THIGH", "CUISSE", "FEMUR", "TIBIA", "CALF", "EXTREM", "ARM", "HUMERUS",
    "AORTA", "CLAVIC", "RIB", "STERN", "WHOLE", "BODY",
)  # fmt: skip


def check_suitable(header: Header) -> None:
    """Refuse what says that it is no MR image of a head.

    Raises:
        UnsuitableImage: by its modality or its part of the body, the file is something else, or it is a mosaic.
    """
    if header.modality not in {"", "MR", *SECONDARY}:
        raise UnsuitableImage(
            Sentence(
                "Expected an MR slice, but this DICOM file says it is {modality}. Send slices of an MR series of the "
                "head.",
                modality=MODALITIES.get(header.modality, Sentence("of another kind")),
            )
        )
    if "MOSAIC" in header.image_type:
        raise UnsuitableImage(
            Sentence(
                "This DICOM file is a mosaic: many slices side by side in one image. Convert the series to NIfTI, for "
                "example with dcm2niix, and send that."
            )
        )
    if _has_one(OTHER_WORDS, header.body_part) and not _has_one(HEAD_WORDS, header.body_part):
        raise UnsuitableImage(
            Sentence(
                "Expected an MR slice of the head, but this DICOM file says it shows another part of the body. Send a "
                "series of the head, or correct the file."
            )
        )


def _has_one(words: Sequence[str], text: str) -> bool:
    """Return whether a word of the text starts with one of these; letters without their accents."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return any(
        part.startswith(word) or (len(word) > 4 and word in part) for part in _WORD.findall(plain) for word in words
    )


def notes_on(headers: Sequence[Header]) -> list[Sentence]:
    """Return what the sender of these files should know of them."""
    notes = []
    if any(header.modality in SECONDARY for header in headers):
        notes.append(
            Sentence(
                "The DICOM file says it is a secondary capture, such as a screenshot; send the MR series if you can."
            )
        )
    if any(not header.modality for header in headers):
        notes.append(Sentence("The DICOM file does not name its modality; it was taken for an MR slice."))
    if any("LOCALIZER" in header.image_type for header in headers):
        notes.append(
            Sentence(
                "The DICOM file says it is a localizer: a few coarse slices to plan a scan, which may miss a tumor. "
                "Send the series itself."
            )
        )
    if any(header.image_type & _COMPUTED for header in headers):
        notes.append(
            Sentence(
                "The DICOM file says its image was computed, such as a projection, a phase map or a diffusion map. The "
                "network was trained on slices as scanned: send those."
            )
        )
    if any(header.is_completed for header in headers):
        notes.append(
            Sentence("The DICOM file leaves out tags that tell how to read its pixels; the usual values were taken.")
        )
    if any(header.is_coloured for header in headers):
        notes.append(Sentence("The DICOM file is coloured; its colours were turned into grey."))
    if any(header.is_burned_in for header in headers):
        notes.append(
            Sentence(
                "The DICOM file says that text is burned into its image; it may be a name. Check the image before you "
                "share it."
            )
        )
    return notes
