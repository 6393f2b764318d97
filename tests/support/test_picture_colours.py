"""Colours and depths of picture files as networks are shown them: profiles, 16 bits, floats, damaged tags."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms

from gdp.support.picture_files import levels_of, read_picture
from gdp.tools.deploy.files import save_picture


def profile(space: bytes, between: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a small ICC profile of version 2 for an output device, with the space in between by its name."""
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"lcms", 0x02200000, b"prtr", space, between)
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


WHITE = b"XYZ " + bytes(4) + struct.pack(">iii", 63190, 65536, 54061)
LINEAR_GREY = profile(b"GRAY", b"XYZ ", {b"wtpt": WHITE, b"kTRC": b"curv" + bytes(4) + struct.pack(">I", 0)})


def ink_profile() -> bytes:
    """Return a profile of CMYK whose four inks are all grey ones, so that only who reads it sees no colours."""
    corners = [(255 - 60 * bin(corner).count("1"), 128, 128) for corner in range(16)]
    ramp = bytes(range(256))
    body = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    body += ramp * 4 + bytes(value for corner in corners for value in corner) + ramp * 3
    return profile(b"CMYK", b"Lab ", {b"wtpt": WHITE, b"A2B0": body})


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_goes_through_its_profile_to_srgb(tmp_path: Path, depth: int) -> None:
    levels = numpy.full((8, 8), 64) if depth == 8 else numpy.full((8, 8), 64 * 257)
    Image.fromarray(levels.astype(f"uint{depth}")).save(tmp_path / "grey.tif", icc_profile=LINEAR_GREY)
    picture = read_picture(tmp_path / "grey.tif")
    assert picture.colour_profile is None  # sRGB needs no tag
    shown = int(picture.levels[0, 0, 0])
    assert (picture.levels == shown).all()
    assert abs(shown - 137) <= 2  # 64 of 255 in linear light, as sRGB


def test_grey_with_alpha_goes_through_its_profile(tmp_path: Path) -> None:
    Image.new("LA", (8, 8), (64, 100)).save(tmp_path / "grey.png", icc_profile=LINEAR_GREY)
    picture = read_picture(tmp_path / "grey.png")
    assert picture.alpha is not None
    assert int(picture.alpha[0, 0]) == 100
    assert abs(int(picture.levels[0, 0, 0]) - 137) <= 2


@pytest.mark.parametrize("ending", [".jpg", ".tif"])
def test_inks_go_through_their_profile_to_srgb(tmp_path: Path, ending: str) -> None:
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / f"ink{ending}", icc_profile=ink_profile())
    picture = read_picture(tmp_path / f"ink{ending}")
    red, green, blue = (int(value) for value in picture.levels[8, 8])
    assert max(red, green, blue) - min(red, green, blue) <= 3
    assert 170 < green < 210
    save_picture(picture, picture.levels, tmp_path / f"out{ending}")
    with Image.open(tmp_path / f"out{ending}") as written:
        assert "icc_profile" not in written.info


def test_a_damaged_profile_leaves_the_colours_as_without_one(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 90).save(tmp_path / "grey.png", icc_profile=LINEAR_GREY[:150])
    assert int(read_picture(tmp_path / "grey.png").levels[0, 0, 0]) == 90


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.02], [0, 128, 255]),  # a share of white, and a little beyond it
        ([0.0, 0.5, math.inf], [0, 128, 255]),
        ([math.nan, 0.5, 1.0], [0, 128, 255]),
        ([-1.0, 127.0, 255.0], [0, 127, 255]),
        ([0.0, 32768.0, 65535.0], [0, 128, 255]),
        ([-math.inf, math.nan, math.nan], [0, 0, 0]),
    ],
)
def test_floats_are_scaled_by_their_largest_finite_one(
    tmp_path: Path, values: list[float], expected: list[int]
) -> None:
    Image.fromarray(numpy.array([values] * 3, numpy.float32)).save(tmp_path / "deep.tif")
    assert read_picture(tmp_path / "deep.tif").levels[0, :, 0].tolist() == expected


def test_whole_numbers_beyond_16_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(numpy.array([[0, 2**30, 2**31 - 1]] * 3, numpy.int32)).save(tmp_path / "deep.tif")
    assert read_picture(tmp_path / "deep.tif").levels[0, :, 0].tolist() == [0, 128, 255]


def test_damaged_tags_print_no_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    two = struct.pack("<HHIHH", 274, 3, 2, 6, 6)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + two + bytes(4)
    for ending, cut in ((".jpg", None), (".png", 20)):
        Image.new("RGB", (8, 8)).save(tmp_path / f"a{ending}", exif=exif[:cut])
        read_picture(tmp_path / f"a{ending}")
    assert not recwarn.list


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_an_image_in_memory_goes_through_its_profile_as_its_file_does(tmp_path: Path, mode: str) -> None:
    own = LINEAR_GREY if mode == "L" else ink_profile()
    Image.new(mode, (8, 8), 64 if mode == "L" else (255, 0, 0, 0)).save(tmp_path / "a.tif", icc_profile=own)
    with Image.open(tmp_path / "a.tif") as image:
        assert numpy.array_equal(levels_of(image), levels_of(tmp_path / "a.tif"))
        plain = levels_of(image.convert("RGB"))  # whose colours are RGB already, whatever profile it still carries
    assert numpy.array_equal(plain, numpy.asarray(Image.open(tmp_path / "a.tif").convert("RGB")))


def test_inks_with_a_profile_of_rgb_are_not_written_as_if_it_were_theirs(tmp_path: Path) -> None:
    rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "ink.jpg", icc_profile=rgb)
    assert read_picture(tmp_path / "ink.jpg").colour_profile is None
    Image.new("L", (8, 8), 9).save(tmp_path / "grey.jpg", icc_profile=rgb)
    assert read_picture(tmp_path / "grey.jpg").colour_profile == rgb


def test_grey_of_16_bits_keeps_its_transparent_level(tmp_path: Path) -> None:
    Image.fromarray(numpy.array([[0, 30_000, 65_535]] * 3, numpy.uint16)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunk = b"tRNS" + struct.pack(">H", 0)
    chunk = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])  # behind the head
    picture = read_picture(tmp_path / "a.png")
    assert picture.alpha is not None
    assert picture.alpha[0].tolist() == [0, 255, 255]
    assert picture.on_white()[0, :, 0].tolist() == [255, 117, 255]
