"""A child that reads untrusted files loads no code that answers, explains or serves."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.formats.research import HEIC, matlab
from tests.support.heads import nifti, series
from tests.support.images import GOOD

TOP = Path(__file__).parents[2]
READ = """
import sys
from model.sandbox.child import read_files
(reading,) = read_files([sys.stdin.buffer.read()])
print(type(reading.content).__name__, *sys.modules)
"""
NOT_FOR_CHILDREN = {"flask", "keras", "openvino", "web"}
ROOMS_NOT_FOR_CHILDREN = {"network", "answers", "evidence", "scan"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [(GOOD, "MriImage"), (series()[0], "MriImage"), (nifti(), "MriVolume"), (matlab(), "MriImage"), (HEIC, "MriImage")],
    ids=["JPEG", "DICOM", "NIfTI", "MATLAB", "HEIC"],
)
def test_child_that_read_a_file_has_loaded_no_network_no_answers_and_no_server(content: bytes, expected: str) -> None:
    read = subprocess.run([sys.executable, "-c", READ], cwd=TOP, input=content, capture_output=True, check=True)
    kind, *modules = read.stdout.decode().split()
    assert kind == expected
    loaded = {tuple(module.split(".")) for module in modules}
    assert {name[0] for name in loaded} & NOT_FOR_CHILDREN == set()
    assert {name[1] for name in loaded if name[0] == "model" and len(name) > 1} & ROOMS_NOT_FOR_CHILDREN == set()
