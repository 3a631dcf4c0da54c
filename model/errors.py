"""What can go wrong between a file and its probabilities, each with a sentence that says what to do."""

from model.sentences import Sentence

# The code of a file whose bytes cannot be had. Reading it may work another time: a scan tries again with --resume.
UNREADABLE_FILE = "unreadable_file"


class ImageError(Exception):
    """An image that cannot be classified. `str(error)` is fit to be shown to the person who sent it.

    `code` is stable and machine-readable. The message never repeats the file's name, path or content.
    """

    code = "image_error"

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class EmptyFile(ImageError):
    """The file holds no bytes at all."""

    code = "empty_file"


class UnsupportedFormat(ImageError):
    """The bytes are not in an image format that is read here."""

    code = "unsupported_format"


class UnreadableImage(ImageError):
    """The format is known, but the image is cut off or damaged."""

    code = "unreadable_image"


class TooManyPixels(ImageError):
    """The image claims too many pixels; nothing of it was decoded."""

    code = "too_many_pixels"


class TooManyFiles(ImageError):
    """There are more files than are read at once."""

    code = "too_many_files"


class UnsuitableImage(ImageError):
    """The image could be read, but holds nothing to classify."""

    code = "unsuitable_image"


class Busy(Exception):
    """The network was busy with earlier images until this one's time ran out."""

    code = "overloaded"
    sentence = Sentence("The server is busy. Try again in a few seconds.")


class ModelFileError(Exception):
    """A model file or its card is missing, altered or does not fit this program."""
