"""A series as from a scanner, above the limit for strangers, sent to a real server on this machine."""

import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.support.client import PREDICTIONS, upload
from tests.support.heads import dicom
from tests.support.server import served

N_SLICES, SIDE_PX = 200, 512


def large_series() -> list[bytes]:
    """Write a head of 200 slices of 512 x 512 pixels, uint16, 1 mm apart: 105 MB."""
    y, x = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    uid = generate_uid()
    contents = []
    for i in range(N_SLICES):
        inside = x**2 + y**2 < 0.3 + 0.4 * np.sin(np.pi * i / N_SLICES)
        pixels = np.where(inside, 300 + 200 * np.sin(8 * x) * np.cos(6 * y), 0).astype(np.uint16)
        place = {"ImagePositionPatient": [0.0, 0.0, float(i)], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        contents.append(dicom(pixels, SeriesInstanceUID=uid, PixelSpacing=[0.5, 0.5], InstanceNumber=i + 1, **place))
    return contents


@pytest.mark.slow
def test_series_of_200_large_slices_is_one_volume_on_ones_own_machine_and_too_large_where_others_are_served(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIND", raising=False)
    request = upload(*large_series())
    body, kind = request["data"], request["content_type"]
    assert isinstance(body, bytes)
    assert 100e6 < len(body) < 120e6

    def send(host: str, port: int) -> tuple[int, dict[str, object]]:
        asked = urllib.request.Request(f"http://{host}:{port}{PREDICTIONS}", body, {"Content-Type": str(kind)})
        with urllib.request.build_opener(_AnyStatus).open(asked, timeout=300) as answer:
            return answer.status, json.load(answer)

    with served(tiny_models) as address:
        status, answer = send(*address)
    assert status == 200
    (result,) = answer["results"]  # type: ignore[misc]
    assert result["kind"] == "volume", result
    assert len(result["files"]) == N_SLICES
    # A little over the limit: read to its end, so that the sentence arrives.
    with served(tiny_models, MAX_UPLOAD_MB="100") as address:
        status, answer = send(*address)
    assert (status, answer["code"]) == (413, "upload_too_large")


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Returns an answer whatever its status is."""

    def http_response(self, _: urllib.request.Request, response: object) -> object:  # type: ignore[override]
        return response
