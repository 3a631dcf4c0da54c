"""Map the words that folders and tables use to class names."""

import re
import unicodedata
from collections.abc import Mapping

from model.card import CLASS_NAMES
from training.errors import DataError

# Words without accents, in lower case.
_WORDS = {
    # The gliomas that collections name by themselves; typing errors that are in published ones.
    "glioma": "glioma gliomas gliome gliomes gliom astrocytoma astrocytomas astrocytome astrocytomes glioblastoma "
    "glioblastomas glioblastome glioblastomes gbm lgg hgg oligodendroglioma oligodendrogliomas oligodendrogliome",
    "meningioma": "meningioma meningiomas meningiome meningiomes meningeom menengioma menigioma",
    # An adenoma in the head is a pituitary tumor.
    "pituitary": "pituitary pitutary pituitaire hypophyse hypophysaire hypophysaires adenoma adenomas adenome adenomes",
    "no_tumor": "no non not none without sans pas notumor notumour nontumor negative negatif normal normale normaux "
    "healthy sain saine sains control controls temoin temoins",
}
_TYPES = {word: class_name for class_name, words in _WORDS.items() for word in words.split()}
_TUMOR = {"tumor", "tumors", "tumour", "tumours", "tumeur", "tumeurs", "yes", "oui", "positive", "positif"}
# Words that add nothing to another.
_SILENT = {
    "brain",
    "brains",
    "cerebral",
    "cerveau",
    "head",
    "mri",
    "mr",
    "irm",
    "images",
    "class",
    "with",
    # Sequences, without their numbers: T1, T1C+, FLAIR.
    "t",
    "c",
    "flair",
    "avec",
    "de",
    "du",
}
ACCEPTED = {
    "tumor_type": "glioma, glioblastoma, astrocytoma, gliome; meningioma, méningiome; pituitary, adenoma, hypophyse; "
    "no, no_tumor, normal, healthy, control, sain, sans tumeur (with or without `tumor`, `brain`, T1 and plurals)",
    "tumor_presence": "yes, tumor, tumeur, and every kind of tumor; no, no_tumor, normal, healthy, control, sain, "
    "sans tumeur",
}


def class_of(spelling: str, task: str, given: Mapping[str, str]) -> str | None:
    """Return the class that a spelling means in the task; None if it means none, or more than one.

    given: further spellings, as `plain` returns them, with their classes.
    """
    if plain(spelling) in given:
        return given[plain(spelling)]
    # "NoTumor" is two words; "glioma_2" is the second folder of one class.
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", spelling)
    words = set(re.sub(r"[^a-z]+", " ", plain(parted)).split()) - _SILENT
    classes = {_TYPES[word] for word in words if word in _TYPES} | ({"tumor"} if words & _TUMOR else set())
    if not words or words - _TYPES.keys() - _TUMOR:
        return None
    if len(classes) > 1:
        classes.discard("tumor")
    (found, *others) = classes
    if others:
        return None
    if "tumor" in CLASS_NAMES[task] and found != "no_tumor":
        return "tumor"
    return found if found in CLASS_NAMES[task] else None


def given_classes(given: tuple[str, ...], task: str) -> dict[str, str]:
    """Read spellings of the form SPELLING=CLASS.

    Raises:
        DataError: one has another form, or names a class outside the task.
    """
    found = {}
    for one in given:
        spelling, _, class_name = one.rpartition("=")
        if not spelling or class_name not in CLASS_NAMES[task]:
            raise DataError(
                f"Expected --classes SPELLING=CLASS with a class of {', '.join(CLASS_NAMES[task])}. Received {one!r}."
            )
        found[plain(spelling)] = class_name
    return found


def plain(text: str) -> str:
    """Return a text in lower case, without accents or surrounding spaces."""
    parted = unicodedata.normalize("NFKD", text.strip())
    return "".join(sign for sign in parted if not unicodedata.combining(sign)).lower()
