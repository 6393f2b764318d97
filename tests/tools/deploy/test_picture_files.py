"""Picture files go through unharmed: orientation, alpha, colour profile, names and folders."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, OutOfMemoryError, UsageError
from gdp.core.memory import MemoryBound
from gdp.support.picture_files import PictureFile, picture_pixels, read_picture
from gdp.tools.deploy.files import find_jobs, save_picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gradient(mode: str = "RGB") -> Image.Image:
    across = numpy.linspace(0, 255, 24 * 16, dtype=numpy.uint8).reshape(16, 24)
    bands = [across, across[::-1], across[:, ::-1], across // 2 + 100]
    return Image.fromarray(numpy.dstack(bands[: len(mode)]))


def test_a_turned_photo_comes_back_upright_without_its_tag(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    gradient().save(tmp_path / "turned.png", exif=exif)
    loaded = read_picture(tmp_path / "turned.png")
    assert loaded.levels.shape == (24, 16, 3)
    save_picture(loaded, loaded.levels, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.getexif().get(0x0112) in (None, 1)
        assert numpy.array_equal(numpy.asarray(written), loaded.levels)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_alpha_and_colour_profile_are_kept_without_loss(tmp_path: Path, suffix: str) -> None:
    gradient("RGBA").save(tmp_path / "in.png", icc_profile=PROFILE)
    loaded = read_picture(tmp_path / "in.png")
    assert loaded.alpha is not None
    translated = 255 - loaded.levels
    save_picture(loaded, translated, tmp_path / f"out{suffix}")
    again = read_picture(tmp_path / f"out{suffix}")
    visible = loaded.alpha > 0
    assert numpy.array_equal(again.levels[visible], translated[visible])
    assert again.alpha is not None and numpy.array_equal(again.alpha, loaded.alpha)
    assert again.colour_profile == PROFILE


def test_a_format_without_alpha_gets_the_opaque_picture(tmp_path: Path) -> None:
    gradient("RGBA").save(tmp_path / "in.png")
    loaded = read_picture(tmp_path / "in.png")
    save_picture(loaded, loaded.levels, tmp_path / "out.jpg")
    assert read_picture(tmp_path / "out.jpg").alpha is None


def test_an_odd_tag_beside_the_orientation_refuses_no_photo(tmp_path: Path) -> None:
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    resolution = struct.pack("<HHII", 0x011A, 10, 1, 38)  # a signed rational, where an unsigned one is due
    odd = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + turned + resolution + struct.pack("<Iii", 0, -1, 0)
    gradient().save(tmp_path / "odd.jpg", exif=odd, quality=95)
    assert read_picture(tmp_path / "odd.jpg").levels.shape == (24, 16, 3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_levels_of_16_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    ramp = numpy.arange(0, 65536, 256, dtype=numpy.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / f"ramp{suffix}")
    levels = read_picture(tmp_path / f"ramp{suffix}").levels
    assert numpy.array_equal(levels, numpy.repeat((ramp >> 8).astype(numpy.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("kind", "scale"), [("int32", 1), ("float32", 1), ("float32", 1 / 256), ("float32", 1 / 65280)]
)
def test_whole_and_broken_numbers_of_32_bits_are_scaled_too(tmp_path: Path, kind: str, scale: float) -> None:
    ramp = numpy.arange(0, 65536, 256).reshape(16, 16)
    Image.fromarray((ramp * scale).astype(kind)).save(tmp_path / "ramp.tif")
    levels = read_picture(tmp_path / "ramp.tif").levels
    assert numpy.abs(levels[..., 0].astype(int) - (ramp >> 8)).max() <= 1


@pytest.mark.parametrize(("tag", "was", "now", "kind"), [(262, 1, 0, "uint16"), (339, 2, 1, "int32")])
def test_a_tiff_whose_white_is_zero_or_whose_32_bits_have_no_sign_is_shown_as_it_means(
    tmp_path: Path, tag: int, was: int, now: int, kind: str
) -> None:
    ramp = numpy.arange(256, dtype=numpy.int64).reshape(16, 16)
    stored = (255 - ramp) * 257 if kind == "uint16" else (ramp * 2**24).astype(numpy.uint32).view(numpy.int32)
    Image.fromarray(stored.astype(kind)).save(tmp_path / "ramp.tif")
    content = (tmp_path / "ramp.tif").read_bytes()
    before, after = (struct.pack("<HHIHH", tag, 3, 1, value, 0) for value in (was, now))
    assert content.count(before) == 1
    (tmp_path / "ramp.tif").write_bytes(content.replace(before, after))
    assert numpy.array_equal(read_picture(tmp_path / "ramp.tif").levels[..., 0], ramp)


def _damage(content: bytes, chunk: bytes) -> bytes:
    place = content.index(chunk) + 5
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


@pytest.mark.parametrize("chunk", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", None])
def test_what_a_png_says_beside_its_pixels_refuses_no_picture(tmp_path: Path, chunk: bytes | None) -> None:
    said = PngImagePlugin.PngInfo()
    said.add_text("one", "a" * 40)
    said.add_text("two", "b" * 40, zip=True)
    said.add_itxt("three", "c" * 40, zip=True)
    said.add_text("long", "x" * (2**25 if chunk is None else 1), zip=True)  # Pillow gives up beyond 1 MiB
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient("RGBA").save(tmp_path / "in.png", pnginfo=said, exif=exif, icc_profile=PROFILE, dpi=(72, 72))
    content = (tmp_path / "in.png").read_bytes()
    (tmp_path / "in.png").write_bytes(content if chunk is None else _damage(content, chunk))
    picture = read_picture(tmp_path / "in.png")
    turned = Image.fromarray(numpy.asarray(gradient("RGBA")))
    upright = turned if chunk == b"eXIf" else turned.transpose(Image.Transpose.ROTATE_270)
    assert picture.alpha is not None
    assert numpy.array_equal(numpy.dstack([picture.levels, picture.alpha]), numpy.asarray(upright))
    assert picture.colour_profile == (None if chunk == b"iCCP" else PROFILE)
    (tmp_path / "in.png").write_bytes(_damage(content, b"IDAT"))
    with pytest.raises(CorruptFileError, match=r"in\.png: this is no picture that can be read"):
        read_picture(tmp_path / "in.png")


def test_a_large_colour_profile_of_a_png_is_kept(tmp_path: Path) -> None:
    large = PROFILE + bytes(2**21)
    gradient().save(tmp_path / "in.png", icc_profile=large)
    assert read_picture(tmp_path / "in.png").colour_profile == large


def test_transparent_parts_are_shown_on_white_and_kept(tmp_path: Path) -> None:
    cut = numpy.dstack([numpy.zeros((4, 6, 3), numpy.uint8), numpy.full((4, 6), 51, numpy.uint8)])
    Image.fromarray(cut).save(tmp_path / "cut.png")
    picture = read_picture(tmp_path / "cut.png")
    assert (picture.levels == 0).all() and picture.alpha is not None and (picture.alpha == 51).all()
    assert (picture.on_white() == 204).all()


def test_a_profile_of_other_colours_than_rgb_is_not_carried_on(tmp_path: Path) -> None:
    other = bytearray(PROFILE)
    other[16:20] = b"GRAY"
    Image.new("L", (8, 8), 90).save(tmp_path / "grey.jpg", icc_profile=bytes(other))
    assert read_picture(tmp_path / "grey.jpg").colour_profile is None


def test_a_huge_picture_is_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (9500, 9500)).save(tmp_path / "huge.png")
    assert picture_pixels(tmp_path / "huge.png") == 9500**2
    assert picture_pixels(tmp_path / "none.png") == 0


def test_a_picture_of_200_megapixels_is_read_where_the_memory_is_there_or_a_setting_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (20_000, 10_000), 1).save(tmp_path / "scan.png")
    assert picture_pixels(tmp_path / "scan.png") == 200_000_000
    monkeypatch.setattr("gdp.core.memory.free_memory", lambda: 4 * 10**9)
    with pytest.raises(OutOfMemoryError, match=r"scan\.png: .* 20000 x 10000 px takes about 2\.4 GB .* --memory"):
        read_picture(tmp_path / "scan.png")
    levels = read_picture(tmp_path / "scan.png", MemoryBound(3 * 10**9)).levels
    assert levels.shape == (10_000, 20_000, 3) and levels[::999, ::999].min() == 255
    Image.new("L", (64, 48), 7).save(tmp_path / "small.png")
    assert read_picture(tmp_path / "small.png", MemoryBound(1)).levels.shape == (48, 64, 3), "no bound refuses it"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_read_in_strips_is_what_pillow_makes_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, orientation: int
) -> None:
    monkeypatch.setattr("gdp.support.picture_files.STRIP_PIXELS", 100)
    if mode in ("I;16", "F"):
        ramp = numpy.arange(0, 65536, 65536 // 384)[:384].reshape(16, 24)
        image = Image.fromarray(ramp.astype(numpy.uint16 if mode == "I;16" else numpy.float32))
    else:
        image = gradient("RGBA").convert(mode) if mode in ("RGBA", "LA") else gradient().convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "picture.tif", exif=exif)
    found = read_picture(tmp_path / "picture.tif")
    with Image.open(tmp_path / "picture.tif") as file:
        whole = ImageOps.exif_transpose(file)
    if mode in ("I;16", "F"):
        expected = numpy.repeat((numpy.asarray(whole).astype(int) >> 8).astype(numpy.uint8)[..., None], 3, axis=2)
    else:
        expected = numpy.asarray(whole.convert("RGBA" if "A" in mode else "RGB"))
        assert (found.alpha is None) == ("A" not in mode)
        assert found.alpha is None or numpy.array_equal(found.alpha, expected[..., 3])
        white = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole.convert("RGBA")).convert("RGB")
        assert numpy.array_equal(found.on_white(), numpy.asarray(white))
    assert numpy.abs(found.levels.astype(int) - expected[..., :3]).max() <= (mode == "F")


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(CorruptFileError, match=r"broken\.png"):
        read_picture(tmp_path / "broken.png")
    with pytest.raises(MissingResourceError, match="no such picture"):
        read_picture(tmp_path / "none.png")


def test_folders_are_kept_below_the_output_and_patterns_are_found(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.png", "in/deep/b.JPG", "in/notes.txt"):
        (tmp_path / name).write_bytes(b"")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out")
    assert [job.target.relative_to(tmp_path).as_posix() for job in jobs] == ["out/a.png", "out/deep/b.JPG"]
    jobs = find_jobs([str(tmp_path / "in" / "**" / "*.[jJ][pP][gG]")], tmp_path / "out", ".png")
    assert [job.target.name for job in jobs] == ["b.png"]
    (job,) = find_jobs([str(tmp_path / "in" / "a.png")], tmp_path / "older.png")
    assert job.target == tmp_path / "older.png"


def test_nothing_is_written_over_an_input_or_twice(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(b"")
    with pytest.raises(GdpError, match="over one of the inputs"):
        find_jobs([str(tmp_path / "one")], tmp_path / "one")
    with pytest.raises(GdpError, match="both be written"):
        find_jobs([str(tmp_path / "one" / "a.png"), str(tmp_path / "two" / "a.png")], tmp_path / "out")
    with pytest.raises(MissingResourceError, match="no such file"):
        find_jobs([str(tmp_path / "three")], tmp_path / "out")


@pytest.mark.parametrize("name", ["out.heic", "out.gif", "out.JP2", "out.avif"])
def test_a_file_of_a_format_that_is_only_read_is_no_folder_to_write_to(tmp_path: Path, name: str) -> None:
    gradient().save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"pictures are written as \.bmp, .*name one of these, or a folder"):
        find_jobs([str(tmp_path / "a.png")], tmp_path / name)
    (tmp_path / name).mkdir()
    (job,) = find_jobs([str(tmp_path / "a.png")], tmp_path / name)
    assert job.target == tmp_path / name / "a.png"


@pytest.mark.parametrize(("name", "side", "most"), [("a.webp", 16_384, "16,383"), ("a.jpg", 65_501, "65,500")])
def test_sides_that_a_format_does_not_hold_are_told_with_those_that_do(
    tmp_path: Path, name: str, side: int, most: str, capfd: pytest.CaptureFixture[str]
) -> None:
    levels = numpy.zeros((1, side, 3), numpy.uint8)
    with pytest.raises(GdpError, match=f"which holds {most} a side; PNG and TIFF"):
        save_picture(PictureFile(tmp_path / "in.png", levels), levels, tmp_path / name)
    assert capfd.readouterr().err == "", "libraries print nothing of their own"
