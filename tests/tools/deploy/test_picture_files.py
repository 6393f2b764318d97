"""Picture files go through unharmed: orientation, alpha, colour profile, names and folders."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError
from gdp.tools.deploy.files import find_jobs, load_picture, save_picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gradient(mode: str = "RGB") -> Image.Image:
    across = numpy.linspace(0, 255, 24 * 16, dtype=numpy.uint8).reshape(16, 24)
    bands = [across, across[::-1], across[:, ::-1], across // 2 + 100]
    return Image.fromarray(numpy.dstack(bands[: len(mode)]))


def test_a_turned_photo_comes_back_upright_without_its_tag(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    gradient().save(tmp_path / "turned.png", exif=exif)
    loaded = load_picture(tmp_path / "turned.png")
    assert loaded.levels.shape == (24, 16, 3)
    save_picture(loaded, loaded.levels, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.getexif().get(0x0112) in (None, 1)
        assert numpy.array_equal(numpy.asarray(written), loaded.levels)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_alpha_and_colour_profile_are_kept_without_loss(tmp_path: Path, suffix: str) -> None:
    gradient("RGBA").save(tmp_path / "in.png", icc_profile=PROFILE)
    loaded = load_picture(tmp_path / "in.png")
    assert loaded.alpha is not None
    translated = 255 - loaded.levels
    save_picture(loaded, translated, tmp_path / f"out{suffix}")
    again = load_picture(tmp_path / f"out{suffix}")
    visible = loaded.alpha > 0
    assert numpy.array_equal(again.levels[visible], translated[visible])
    assert again.alpha is not None and numpy.array_equal(again.alpha, loaded.alpha)
    assert again.colour_profile == PROFILE


def test_a_format_without_alpha_gets_the_opaque_picture(tmp_path: Path) -> None:
    gradient("RGBA").save(tmp_path / "in.png")
    loaded = load_picture(tmp_path / "in.png")
    save_picture(loaded, loaded.levels, tmp_path / "out.jpg")
    assert load_picture(tmp_path / "out.jpg").alpha is None


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(CorruptFileError, match=r"broken\.png"):
        load_picture(tmp_path / "broken.png")
    with pytest.raises(MissingResourceError, match="no such picture"):
        load_picture(tmp_path / "none.png")


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
