"""The one path from an image to the network's input."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model.errors import UnsuitableImage
from model.preprocessing import (
    HeadBox,
    find_head,
    grey_percentiles,
    has_contrast,
    place_in_picture,
    preprocess,
    stretch_grey_levels,
    within_margin,
)
from tests.support.images import drawn_slice


def head_at(top: int, left: int, height: int = 60, width: int = 40, shape: tuple[int, int] = (200, 160)) -> np.ndarray:
    picture = np.full(shape, 3, np.uint8)
    picture[top : top + height, left : left + width] = np.linspace(60, 180, width, dtype=np.uint8)
    return picture


def test_head_is_found_where_it_is() -> None:
    assert find_head(head_at(30, 50)) == HeadBox(30, 90, 50, 90)


def test_bright_frame_of_an_export_is_not_the_head() -> None:
    picture = head_at(30, 50)
    picture[0], picture[-1], picture[:, 0], picture[:, -1] = 255, 255, 255, 255
    assert find_head(picture) == HeadBox(30, 90, 50, 90)


def test_letter_in_the_margin_is_not_the_head() -> None:
    picture = head_at(30, 50)
    picture[5:8, 5:7] = 180
    assert find_head(picture) == HeadBox(30, 90, 50, 90)


def test_bright_spot_below_a_fifth_of_the_image_is_no_head_to_crop_to() -> None:
    assert find_head(head_at(90, 70, height=30, width=30)) == HeadBox(0, 200, 0, 160)


def test_speck_in_a_wide_margin_of_a_figure_leaves_the_input_as_it_was() -> None:
    figure = np.pad(head_at(30, 50), 40, constant_values=255)
    figure[5, 5] = 0
    np.testing.assert_array_equal(preprocess(figure, 64).pixels, preprocess(head_at(30, 50), 64).pixels)


@pytest.mark.parametrize("level", [90, 255])
def test_wide_margin_of_a_figure_leaves_the_input_as_it_was(level: int) -> None:
    figure = np.pad(head_at(30, 50), 16, constant_values=level)
    assert find_head(figure) == HeadBox(46, 106, 66, 106)
    np.testing.assert_array_equal(preprocess(figure, 64).pixels, preprocess(head_at(30, 50), 64).pixels)


@pytest.mark.parametrize("sides", [((16, 16), (0, 0)), ((0, 0), (16, 16))], ids=["above and below", "left and right"])
def test_wide_margin_on_two_opposite_sides_leaves_the_input_as_it_was(sides: tuple) -> None:
    figure = np.pad(head_at(30, 50), sides, constant_values=255)
    np.testing.assert_array_equal(preprocess(figure, 64).pixels, preprocess(head_at(30, 50), 64).pixels)


@pytest.mark.parametrize("level", [40, 128, 255])
@pytest.mark.parametrize("sides", [((0, 16), (0, 0)), ((0, 0), (16, 0)), ((0, 16), (16, 0)), 16])
def test_margin_of_a_figure_on_any_sides_leaves_the_input_as_it_was(sides: object, level: int) -> None:
    image = head_at(30, 50)
    figure = np.pad(image, sides, constant_values=level)
    np.testing.assert_array_equal(preprocess(figure, 64).pixels, preprocess(image, 64).pixels)


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (128, 0), (40, 220)])
@pytest.mark.parametrize("is_above", [False, True], ids=["below", "above"])
def test_caption_leaves_the_input_as_it_was(is_above: bool, paper: int, ink: int) -> None:
    image, caption = head_at(30, 50), Image.new("L", (160, 36), paper)
    ImageDraw.Draw(caption).text((4, 12), "Figure 2. Axial T1", fill=ink)
    parts = [image, np.asarray(caption)]
    figure = np.vstack(parts[::-1] if is_above else parts)
    np.testing.assert_array_equal(preprocess(figure, 64).pixels, preprocess(image, 64).pixels)


def test_two_slices_of_a_figure_are_both_kept() -> None:
    image = np.pad(head_at(30, 50), 16, constant_values=255)
    assert within_margin(np.hstack([image, image])) == HeadBox(16, 216, 16, 368)


def test_flat_grey_air_around_a_head_is_no_margin() -> None:
    image = np.maximum(drawn_slice(160), 30)
    assert within_margin(image) == HeadBox(0, 160, 0, 160)


@pytest.mark.parametrize(("width", "level"), [(4, 255), (16, 5)], ids=["narrow", "black"])
def test_narrow_or_black_frame_is_no_margin_of_a_figure(width: int, level: int) -> None:
    framed = np.pad(head_at(30, 50), width, constant_values=level)
    assert within_margin(framed) == HeadBox(0, 200 + 2 * width, 0, 160 + 2 * width)


def test_same_head_elsewhere_in_the_picture_gives_the_same_input() -> None:
    np.testing.assert_array_equal(preprocess(head_at(10, 20), 64).pixels, preprocess(head_at(100, 90), 64).pixels)


def test_darker_export_gives_nearly_the_same_input() -> None:
    bright = head_at(30, 50)
    dark = (bright // 2).astype(np.uint8)
    difference = preprocess(bright, 64).pixels.astype(int) - preprocess(dark, 64).pixels
    assert np.abs(difference).max() <= 4


def test_proportions_are_kept_by_black_padding() -> None:
    pixels = preprocess(head_at(30, 50, height=60, width=40), 60).pixels
    assert pixels[:, :9].max() == 0
    assert pixels[:, -9:].max() == 0
    assert pixels[30, 45] > 150


def test_argument_is_left_as_it_was() -> None:
    picture = head_at(30, 50)
    before = picture.copy()
    preprocess(picture, 64)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_picture_is_unsuitable(level: int) -> None:
    with pytest.raises(UnsuitableImage):
        preprocess(np.full((50, 50), level, np.uint8), 32)


def test_small_lesion_keeps_its_grey_level_and_a_few_stray_pixels_leave_the_others_as_they_are() -> None:
    head = np.full(10_000, 100, np.uint8)
    # 0.8 % of a head are a lesion of 15 mm; here that much is dark, and as much bright. 0.2 % more are noise.
    head[:100], head[-100:] = 30, 200
    head[:20], head[-20:] = 0, 255
    # By hand: 30 and 200 become black and white, and 100 becomes 255 * (100 - 30) / (200 - 30) = 105.
    assert [*np.unique(stretch_grey_levels(head.reshape(100, 100)))] == [0, 105, 255]


@pytest.mark.parametrize(("difference", "is_taken"), [(7, False), (8, True)])
def test_image_whose_grey_levels_differ_by_less_than_eight_is_flat(difference: int, is_taken: bool) -> None:
    # Compression leaves a few levels of noise in an empty image.
    image = np.full((60, 60), 100, np.uint8)
    image[20:40] += difference
    assert has_contrast(image) == is_taken
    if not is_taken:
        with pytest.raises(UnsuitableImage, match="one flat grey"):
            preprocess(image, 32)


def test_map_is_laid_over_the_part_that_the_network_saw() -> None:
    square = np.zeros((6, 6), np.float32)
    square[0, 3] = 1
    placed = place_in_picture(square, HeadBox(30, 90, 50, 90), (200, 160))
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    # Row 0 of 6 is the top tenth of the box; column 3 of 6 lies just right of its middle at 70.
    assert 30 <= row < 40
    assert 70 <= column < 80
    assert placed[:30].max() == placed[:, :50].max() == 0


@pytest.mark.parametrize("shape", [(1,), (2,), (7, 5), (64, 48), (300_001,)])
def test_counted_percentiles_are_those_of_numpy(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(sum(shape))
    for pixels in (random.integers(0, 256, shape), random.integers(0, 3, shape), random.geometric(0.05, shape) % 256):
        grey = pixels.astype(np.uint8)
        percents = (0, 0.5, 12.3, 50, 99, 99.5, 100)
        assert grey_percentiles(grey, *percents) == tuple(np.percentile(grey, percents))
