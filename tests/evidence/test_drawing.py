"""Evidence drawn over an image."""

import io

import numpy as np
from PIL import Image

from model.evidence.drawing import in_steps, layer_webp
from model.evidence.drawing import overlay as draw_overlay


def test_overlay_colours_only_where_evidence_is_positive() -> None:
    placed = np.zeros((20, 30), np.float32)
    placed[5, 5], placed[15, 25] = 2.0, -3.0
    overlay = np.asarray(draw_overlay(np.full((20, 30), 50, np.uint8), in_steps(placed, 2.0)).convert("RGB"))
    assert overlay.shape == (20, 30, 3)
    assert overlay[5, 5, 0] > 150
    np.testing.assert_array_equal(overlay[15, 25], [50, 50, 50])


def test_overlay_without_any_evidence_is_the_grey_picture() -> None:
    strength = in_steps(np.full((8, 8), -1, np.float32), -1.0)
    overlay = draw_overlay(np.full((8, 8), 90, np.uint8), strength).convert("RGB")
    assert np.unique(np.asarray(overlay)).tolist() == [90]


def test_image_is_seen_through_the_strongest_evidence() -> None:
    strongest = np.full((8, 8), 255, np.uint8)
    dark, bright = (np.asarray(draw_overlay(np.full((8, 8), grey, np.uint8), strongest))[4, 4, 0] for grey in (0, 200))
    assert bright - int(dark) >= 50


def test_evidence_against_a_tumor_is_blue_and_for_one_is_warm() -> None:
    strength = np.full((16, 16), 200, np.uint8)
    for is_blue in (False, True):
        with Image.open(io.BytesIO(layer_webp(strength, is_blue))) as layer:
            red, _, blue, _ = np.asarray(layer.convert("RGBA"))[8, 8].astype(int)
        assert (blue - red > 50) == is_blue
        assert (red - blue > 50) != is_blue
