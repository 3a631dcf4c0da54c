"""Feed the decoders damaged files, led by which lines they reach: `make fuzz SECONDS=120 SEED=0`.

Whatever comes, `read_files` gives readings and refusals. A file that makes it raise, hang or die is written to
tests/fuzz/crashes, where tests/fuzz/test_fuzz.py reads it from then on. The same seed damages them in much the same
order; seed 0 is another one each time.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.samples import TOP

CRASHES = Path(__file__).parent / "crashes"
# Files up to this size, a file's time, and memory: small enough that libFuzzer makes many of them.
_MAX_BYTES = 20_000
_MAX_SECONDS = 20
_MAX_MEMORY_MB = 3_000
_IN_THIS_PROCESS = "--in-this-process"


def main() -> int:
    """Fuzz for some seconds; return 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    if sys.argv[1:2] == [_IN_THIS_PROCESS]:
        _fuzz(sys.argv[2:])
    options = parser.parse_args()
    return _run(options.seconds, options.seed)


def _run(seconds: int, seed: int) -> int:
    from tests.fuzz.seeds import DECODED_IN_A_CHILD, seeds

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        for i, (name, content) in enumerate(seeds().items()):
            if name not in DECODED_IN_A_CHILD:
                (corpus / f"seed{i}").write_bytes(content)
        arguments = [
            folder, f"-max_total_time={seconds}", f"-max_len={_MAX_BYTES}", f"-timeout={_MAX_SECONDS}",
            f"-rss_limit_mb={_MAX_MEMORY_MB}", f"-seed={seed}", f"-artifact_prefix={CRASHES}/", "-print_final_stats=1",
        ]  # fmt: skip
        command = [sys.executable, "-m", "tests.fuzz", _IN_THIS_PROCESS, *arguments]
        return subprocess.run(command, cwd=TOP, check=False).returncode


def _fuzz(arguments: list[str]) -> None:
    """Become libFuzzer: does not return."""
    import atheris

    # Modules imported from here on report which of their lines were reached.
    with atheris.instrument_imports(include=["model", "pydicom", "nibabel", "PIL"]):
        # Readers that the code imports only when needed.
        import model.reading.dicom.deep_jpeg
        import model.reading.dicom.series
        import model.reading.research.matlab
        import model.reading.research.reader  # noqa: F401
        from model.reading.contents import Limits
        from model.reading.many_files import read_files

    limits = Limits(max_pixels=1_000_000, max_voxels=1_000_000, max_files=5)

    def read(content: bytes) -> None:
        read_files([content], limits)

    atheris.Setup([sys.argv[0], *arguments], read)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
