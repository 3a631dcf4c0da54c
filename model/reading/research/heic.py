"""Decode HEIC in a process of its own: its decoders, written in C++, corrupt memory over some damaged files.

`python -m model.reading.research.heic PIXELS BYTES` is that process: HEIC on standard input, PNG on standard output.
"""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

from model.processes.core_dumps import forbid_core_dumps
from model.processes.pipes import limit_memory, private_output

SECONDS = 20
MAX_MEMORY_BYTES = 3_000_000_000
TOO_LARGE = 3


def as_png(
    content: bytes, max_pixels: int, seconds: float = SECONDS, memory_bytes: int = MAX_MEMORY_BYTES
) -> bytes | None:
    """Return the first image as PNG, empty where it cannot be decoded; None if it claims more than max_pixels.

    seconds, memory_bytes: what the process may take; beyond these it is ended.
    """
    command = [sys.executable, "-m", "model.reading.research.heic", str(max_pixels), str(memory_bytes)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            command, input=content, capture_output=True, cwd=Path(__file__).parents[3], timeout=seconds, check=False
        )
        return None if done.returncode == TOO_LARGE else done.stdout if done.returncode == 0 else b""
    return b""


def _serve() -> None:
    import pi_heif
    from PIL import Image

    forbid_core_dumps()
    limit_memory(int(sys.argv[2]))
    answer = private_output()
    # Thumbnails and depths are no images of their own.
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=("AVIF", "HEIF")) as picture:
        if picture.width * picture.height > int(sys.argv[1]):
            sys.exit(TOO_LARGE)
        png = io.BytesIO()
        picture.save(png, "PNG", exif=picture.getexif(), compress_level=1)
    answer.write(png.getvalue())
    answer.flush()


if __name__ == "__main__":
    _serve()
