from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.datasets import ImageFolderConfig, folders
from gdp.plugins.datasets.folders import ImageFolder
from gdp.plugins.datasets.pictures import open_picture, square
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import RenderedFaces, render


def test_rendered_faces_are_the_renderers(capsys: pytest.CaptureFixture[str]) -> None:
    faces = RenderedFaces(RenderedFacesConfig(count=40, seed=5, resolution=32), BuildContext())
    pictures = faces.images([7, 3, 7])
    expected = render(sample_attributes(5, torch.tensor([7, 3, 7])), 32)
    assert (len(faces), faces.resolution, pictures.shape, pictures.dtype) == (40, 32, (3, 3, 32, 32), torch.uint8)
    torch.testing.assert_close(pictures.float() / 127.5 - 1, expected, atol=1 / 255, rtol=0)
    assert torch.equal(faces.images(range(4))[3], pictures[1]), "the same whenever it is asked for"


def test_millions_of_rendered_faces_take_no_memory() -> None:
    faces = RenderedFaces(RenderedFacesConfig(count=10**9, seed=5, resolution=1024), BuildContext())  # 3 PB of pictures
    assert len(faces) == 10**9
    small = RenderedFaces(RenderedFacesConfig(count=10**9, seed=5, resolution=32), BuildContext())
    last, again = (small.images([10**9 - 1, 4]) for _ in range(2))
    assert torch.equal(last, again)
    assert torch.equal(
        last[1:], RenderedFaces(RenderedFacesConfig(count=5, seed=5, resolution=32), BuildContext()).images([4])
    )


def test_many_faces_asked_for_at_once_are_the_same_as_one_by_one() -> None:
    faces = RenderedFaces(RenderedFacesConfig(count=200, resolution=16), BuildContext())
    wanted = [*range(130), 7]  # more than are rendered at once
    assert torch.equal(faces.images(wanted), torch.cat([faces.images([index]) for index in wanted]))


def test_a_batch_is_decoded_by_several_threads_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders.os, "cpu_count", lambda: 4)
    for level in range(20):
        Image.new("RGB", (16, 16), (10 * level, 0, 0)).save(tmp_path / f"{level:02}.png")
    threads: set[str] = set()
    read = folders.open_picture

    def watched(path: Path) -> Image.Image:
        threads.add(threading.current_thread().name)
        time.sleep(0.001 * (20 - int(path.stem)))  # the first is done last
        return read(path)

    monkeypatch.setattr(folders, "open_picture", watched)
    folder = ImageFolder(ImageFolderConfig(folder=tmp_path, resolution=8), BuildContext())
    pictures = folder.images([*range(20), 3])
    assert pictures[:, 0, 0, 0].tolist() == [*range(0, 200, 10), 30]
    assert 1 < len(threads) <= 4
    assert folder.images([]).shape == (0, 3, 8, 8)


def test_a_folders_pictures_are_numbered_by_path(tmp_path: Path) -> None:
    for name, colour in (("b.png", "red"), ("a/z.jpg", "lime"), ("c.WEBP", "blue")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 12), colour).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    Image.new("RGB", (8, 8)).save(tmp_path / ".hidden.png")
    folder = ImageFolder(ImageFolderConfig(folder=tmp_path, resolution=8), BuildContext())
    pictures = folder.images(range(len(folder)))
    assert pictures.shape == (3, 3, 8, 8)
    assert [int(picture.float().mean(dim=(1, 2)).argmax()) for picture in pictures] == [1, 0, 2]


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingResourceError, match=str(folder)):
            ImageFolder(ImageFolderConfig(folder=folder, resolution=8), BuildContext())


def test_all_broken_pictures_are_named_at_once(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "good.jpg")
    content = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("not a picture")
    folder = ImageFolder(ImageFolderConfig(folder=tmp_path, resolution=8), BuildContext())
    with pytest.raises(CorruptFileError) as caught:
        folder.images(range(3))
    assert "cut.jpg" in str(caught.value)
    assert "text.png" in str(caught.value)
    assert "good.jpg" not in str(caught.value)


def test_transparent_parts_lie_on_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    picture.save(tmp_path / "clear.png")
    shown = open_picture(tmp_path / "clear.png")
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


def test_pictures_stand_upright_by_their_orientation(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2), "black")
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: a viewer turns the picture by 90 degrees clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    shown = open_picture(tmp_path / "turned.png")
    assert shown.size == (2, 4)
    assert shown.getpixel((1, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("L", 128, 128), ("I;16", 128 * 257, 128), ("1", 1, 255), ("P", 0, 0), ("CMYK", (0, 0, 0, 0), 255)],
)
def test_pictures_of_any_mode_become_rgb(mode: str, value: int, expected: int, tmp_path: Path) -> None:
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "I;16") else "picture.png")
    Image.new(mode, (3, 3), value).save(path)
    shown = open_picture(path)
    assert shown.mode == "RGB"
    assert shown.getpixel((1, 1)) == (expected,) * 3


def test_the_central_square_is_shown() -> None:
    picture = Image.new("RGB", (30, 10), "black")
    picture.paste("white", (10, 0, 20, 10))
    assert square(picture, 5).min() == 255
    assert square(picture.transpose(Image.Transpose.ROTATE_90), 5).min() == 255


def test_small_copies_are_antialiased() -> None:
    stripes = Image.new("L", (64, 64))
    stripes.putdata([255 * (x % 2) for _ in range(64) for x in range(64)])
    small = square(stripes.convert("RGB"), 8).float()
    assert small.sub(127.5).abs().max() < 12, "fine stripes become grey instead of a pattern"
