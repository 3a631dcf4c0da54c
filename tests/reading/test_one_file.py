"""`read_image` on real files of every format, whole and damaged."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from model.errors import EmptyFile, TooManyPixels, UnreadableImage, UnsupportedFormat
from model.reading.many_files import read_files
from model.reading.one_file import read_image
from model.reading.raster import PHOTOGRAPH_NOTE
from tests.support.heads import grey
from tests.support.images import encoded


def a_slice(height: int = 96, width: int = 80) -> np.ndarray:
    """A bright ellipse on black with a gradient inside: uint8 (height, width), 0..255."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.where(x**2 + y**2 < 0.8, 100 + 100 * x, 0).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "GIF", "JPEG2000"])
def test_lossless_picture_comes_back_pixel_by_pixel(file_format: str) -> None:
    image = read_image(encoded(a_slice(), file_format))
    np.testing.assert_array_equal(image.pixels, a_slice())
    assert image.format == file_format


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "AVIF"])
def test_lossy_picture_comes_back_nearly_the_same(file_format: str) -> None:
    image = read_image(encoded(a_slice(), file_format, quality=95))
    assert np.abs(image.pixels.astype(int) - a_slice()).mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_colour_mode_becomes_grey_of_the_same_shape(mode: str) -> None:
    file_format = "TIFF" if mode == "CMYK" else "PNG"
    image = read_image(encoded(a_slice(), file_format, mode))
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == (96, 80)
    assert image.pixels[48, 70] > image.pixels[0, 0]


@pytest.mark.parametrize("scale", [257, 16, 1])
def test_16_bit_png_agrees_with_8_bit_whatever_part_of_the_range_it_uses(scale: int) -> None:
    eight_bit = a_slice()
    sixteen_bit = encoded(eight_bit.astype(np.uint16) * scale, "PNG")
    assert np.abs(read_image(sixteen_bit).pixels - grey(eight_bit).astype(int)).max() <= 1


def test_one_hot_pixel_of_16_bits_leaves_the_grey_levels_of_the_others() -> None:
    deep = a_slice().astype(np.uint16) * 16
    hot = deep.copy()
    hot[0, 0] = 65535
    np.testing.assert_array_equal(
        read_image(encoded(hot, "PNG")).pixels[1:], read_image(encoded(deep, "PNG")).pixels[1:]
    )


def deep_png(stored: np.ndarray, colour_type: int) -> bytes:
    """Write uint16 (height, width, channels) as a PNG file of 16 bits; Pillow writes none in colours."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = stored.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in stored)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize(("colour_type", "n_colours", "has_alpha"), [(2, 3, False), (4, 1, True), (6, 3, True)])
def test_all_bits_of_16_bit_colours_count(colour_type: int, n_colours: int, has_alpha: bool) -> None:
    # 12 bits, as from scanners: the high byte alone would keep 4.
    deep = a_slice().astype(np.uint16) * 16
    channels = [deep] * n_colours + [np.full_like(deep, 65535)] * has_alpha
    image = read_image(deep_png(np.dstack(channels), colour_type))
    assert np.abs(image.pixels.astype(int) - read_image(encoded(deep, "PNG")).pixels).max() <= 1


def test_transparent_pixels_of_16_bits_become_black() -> None:
    deep = a_slice().astype(np.uint16) * 16 + 100
    alpha = np.full_like(deep, 65535)
    alpha[:, :10] = 0
    assert read_image(deep_png(np.dstack([deep, alpha]), 4)).pixels[:, :10].max() == 0


def test_16_bit_tiff_whose_zero_is_white_is_inverted() -> None:
    deep = a_slice().astype(np.uint16) * 16
    buffer = io.BytesIO()
    Image.fromarray(65535 - deep).save(buffer, "TIFF", tiffinfo={262: 0})
    assert (
        np.abs(read_image(buffer.getvalue()).pixels - read_image(encoded(deep, "TIFF")).pixels.astype(int)).max() <= 1
    )


@pytest.mark.parametrize("scale", [1, 16])
def test_pages_of_a_tiff_file_become_the_slices_of_a_volume(scale: int) -> None:
    kind = np.uint16 if scale > 1 else np.uint8
    pages = [(a_slice() * share).astype(kind) * kind(scale) for share in (0, 0.5, 1)]
    buffer = io.BytesIO()
    first, *others = map(Image.fromarray, pages)
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    (reading,) = read_files([buffer.getvalue()])
    assert reading.content.slices.shape == (3, 96, 80)
    assert reading.content.slices[0].max() == 0
    np.testing.assert_array_equal(reading.content.slices, grey(np.stack(pages)))
    assert "pages" in reading.content.notes[0]


def test_pages_of_several_sizes_are_no_volume() -> None:
    buffer = io.BytesIO()
    Image.fromarray(a_slice()).save(buffer, "TIFF", save_all=True, append_images=[Image.fromarray(a_slice(48, 40))])
    (reading,) = read_files([buffer.getvalue()])
    np.testing.assert_array_equal(reading.content.pixels, a_slice())


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bit_tiff_of_either_byte_order_is_stretched_to_its_range(byte_order: str) -> None:
    deep = a_slice().astype(np.uint16) * 16
    kind = {"<": "I;16", ">": "I;16B"}[byte_order]
    picture = Image.frombytes(kind, (80, 96), deep.astype(f"{byte_order}u2").tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF")
    assert np.abs(read_image(buffer.getvalue()).pixels - grey(a_slice()).astype(int)).max() <= 1


@pytest.mark.parametrize("mode", ["CMYK", "RGB", "L"])
def test_jpeg_of_any_colours_is_as_bright_as_the_slice(mode: str) -> None:
    image = read_image(encoded(a_slice(), "JPEG", mode, quality=95))
    assert np.abs(image.pixels.astype(int) - a_slice()).mean() < 2
    assert image.notes == ()


def test_palette_and_its_transparency_are_looked_up() -> None:
    # Columns of two pixels, which no mask has.
    palette = Image.fromarray(np.tile(np.repeat(np.arange(4, dtype=np.uint8), 2), 10)[None].repeat(40, axis=0))
    palette.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160, 240, 240, 240])
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=3)
    pixels = read_image(buffer.getvalue()).pixels
    assert pixels[20, :8:2].tolist() == [0, 80, 160, 0]


def test_float_tiff_with_nan_and_infinity_reads_them_as_black() -> None:
    values = a_slice().astype(np.float32)
    values[48, 40], values[48, 41] = np.nan, np.inf
    pixels = read_image(encoded(values, "TIFF")).pixels
    assert pixels[48, 40] == pixels[48, 41] == 0
    assert pixels.max() == 255


def test_transparent_pixels_become_black() -> None:
    white = np.full((40, 40, 4), 255, np.uint8)
    white[:, :20, 3], white[:, 20::2, :3] = 0, 200
    pixels = read_image(encoded(white, "PNG")).pixels
    assert pixels[:, :20].max() == 0
    assert pixels[:, 20:].min() == 200


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_stands_upright(orientation: int) -> None:
    quarters = np.kron(np.array([[250, 150], [50, 0]], np.uint8), np.ones((40, 30), np.uint8))
    # A fine pattern: flat areas would be a label map.
    quarters[:, ::2] += 1
    # How EXIF stores an upright image under each orientation; source: Exif 2.32, 4.6.4 A.
    stored = {
        1: quarters, 2: quarters[:, ::-1], 3: quarters[::-1, ::-1], 4: quarters[::-1],
        5: quarters.T, 6: np.rot90(quarters), 7: quarters[::-1, ::-1].T, 8: np.rot90(quarters, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read_image(encoded(np.ascontiguousarray(stored), "PNG", exif=exif)).pixels
    np.testing.assert_array_equal(pixels, quarters)


def tinted(red: float, blue: float) -> np.ndarray:
    """The slice with its red and blue scaled, uint8, (96, 80, 3)."""
    return np.rint(a_slice()[..., None] * [red, 1, blue]).clip(0, 255).astype(np.uint8)


def test_coloured_picture_is_warned_about() -> None:
    image = read_image(encoded(tinted(0.8, 1.1), "JPEG", quality=90))
    assert image.notes == (PHOTOGRAPH_NOTE,)


@pytest.mark.parametrize("content", [encoded(tinted(0.99, 1.01), "PNG"), encoded(a_slice(), "JPEG", "RGB", quality=30)])
def test_grey_picture_stored_in_colours_is_not_warned_about(content: bytes) -> None:
    assert read_image(content).notes == ()


@pytest.mark.parametrize("tag", [0x010F, 0x0110])
def test_picture_of_a_camera_is_warned_about_without_naming_it(tag: int) -> None:
    exif = Image.Exif()
    exif[tag] = "CANARY"
    image = read_image(encoded(a_slice(), "JPEG", exif=exif))
    assert image.notes == (PHOTOGRAPH_NOTE,)
    assert "CANARY" not in str(image)


def test_only_the_first_of_several_pictures_is_read_and_said_so() -> None:
    first, second = Image.fromarray(a_slice()), Image.fromarray(255 - a_slice())
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=[second])
    image = read_image(buffer.getvalue())
    np.testing.assert_array_equal(image.pixels, a_slice())
    assert "2 images" in image.notes[0]


def test_first_picture_of_a_camera_mpo_is_read_and_said_so() -> None:
    first, second = Image.fromarray(a_slice()), Image.fromarray(255 - a_slice())
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second], quality=95)
    image = read_image(buffer.getvalue())
    assert np.abs(image.pixels.astype(int) - a_slice()).mean() < 2
    assert "2 images" in image.notes[0]


def test_png_with_a_bomb_in_its_text_is_refused_without_decoding_it() -> None:
    info = PngInfo()
    info.add_text("comment", "x" * 64_000_000, zip=True)
    buffer = io.BytesIO()
    Image.fromarray(a_slice()).save(buffer, "PNG", pnginfo=info)
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(UnreadableImage):
        read_image(buffer.getvalue())


@pytest.mark.parametrize("content", [b"8BPS", b"%!PS-Adobe", b"SIMPLE  =", b"\x7fELF", b"<svg xmlns=''>"])
def test_no_other_parser_of_pillow_is_reached(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a parser outside the list was called")

    Image.init()
    read = {"JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000"}
    others = {name: entry for name, entry in Image.OPEN.items() if name not in read}
    for name, (_, accept) in others.items():
        monkeypatch.setitem(Image.OPEN, name, (refuse, accept))
    with pytest.raises(UnsupportedFormat):
        read_image(content + bytes(200))


def test_path_and_bytes_give_the_same_picture_whatever_the_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    content = encoded(a_slice(), "TIFF")
    file = tmp_path / "misnamed.jpg"
    file.write_bytes(content)
    np.testing.assert_array_equal(read_image(file).pixels, read_image(content).pixels)
    assert read_image(file).format == "TIFF"


def test_empty_file_is_refused() -> None:
    with pytest.raises(EmptyFile):
        read_image(b"")


@pytest.mark.parametrize("content", [b"\x01\x02\x03", b"PK\x03\x04" + bytes(50)])
def test_other_kinds_of_file_are_unsupported(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="TIFF, GIF, AVIF, HEIC, JPEG 2000, DICOM, NIfTI, MGH"):
        read_image(content)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_cut_off_file_is_unreadable(file_format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 80), np.uint8)
    content = encoded(noise, file_format)
    with pytest.raises(UnreadableImage):
        read_image(content[: int(share * len(content))])


def test_damaged_png_is_unreadable() -> None:
    content = bytearray(encoded(a_slice(), "PNG"))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(UnreadableImage):
        read_image(bytes(content))


@pytest.mark.parametrize("side", [6000, 20000])
def test_pixel_bomb_is_refused_by_its_header(side: int) -> None:
    bomb = io.BytesIO()
    Image.new("1", (side, side)).save(bomb, "PNG")
    with pytest.raises(TooManyPixels, match="25 million"):
        read_image(bomb.getvalue())


def test_strip_is_refused() -> None:
    with pytest.raises(UnreadableImage, match="1 x 4000"):
        read_image(encoded(np.zeros((4000, 1), np.uint8), "PNG"))
