"""Which files of a folder are pictures: by one rule, and nothing is left out in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gdp import BuildContext
from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError
from gdp.plugins.datasets import ImageFolderConfig
from gdp.plugins.datasets.folders import ImageFolder
from gdp.support.downloads.unpacking import count_pictures
from gdp.support.picture_files import read_picture
from gdp.support.picture_finding import describe_endings, find_pictures, is_hidden, no_pictures, picture_endings
from gdp.tools.deploy.files import find_jobs, left_out

HIDDEN = (
    "._a.png", "__MACOSX/._a.png", "__MACOSX/b.png", ".thumbnails/t.png", ".ipynb_checkpoints/1-checkpoint.png",
    ".Trash-0/files/a.png", "deep/@eaDir/q.png", "#recycle/a.png", "$RECYCLE.BIN/a.png", "lost+found/a.png",
    "@Recycle/a.png", "@Recently-Snapshot/daily/a.png", "~snapshot/a.png", "RECYCLED/a.png", "@__thumb/a.png",
    "Network Trash Folder/a.png",
)  # fmt: skip


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name, "PNG")


def test_what_systems_hide_is_no_picture_in_training_nor_in_use(tmp_path: Path) -> None:
    put(tmp_path / ".of mine", "a.png", "deep/b.png", *HIDDEN)
    folder = tmp_path / ".of mine"  # what the user names is meant, whatever it is called
    wanted = [folder / "a.png", folder / "deep" / "b.png"]
    assert find_pictures(folder, recursive=True) == wanted
    assert [job.source for job in find_jobs([str(folder)], tmp_path / "out")] == wanted
    assert [job.source for job in find_jobs([str(folder / "**" / "*.png")], tmp_path / "out")] == wanted
    assert count_pictures(tmp_path, [".of mine"]) == {".of mine": 2}
    assert left_out([str(folder)]) == {}
    (job,) = find_jobs([str(folder / ".thumbnails" / "t.png")], tmp_path / "out")
    assert job.source.name == "t.png"


@pytest.mark.parametrize(
    "ending", [".png", ".jpg", ".jfif", ".gif", ".jp2", ".tga", ".ppm", ".avif", ".apng", ".tif", ".mpo"]
)
def test_every_ending_that_pillow_reads_is_taken(tmp_path: Path, ending: str) -> None:
    put(tmp_path, f"a{ending}", f"b{ending.upper()}")
    assert ending in picture_endings()
    assert len(find_pictures(tmp_path, recursive=False)) == len(find_jobs([str(tmp_path)], tmp_path / "out")) == 2


@pytest.mark.parametrize("ending", [".h5", ".wmf", ".eps", ".txt", ".cr2", ".pdf"])
def test_what_pillow_only_recognises_is_left_out_and_counted(tmp_path: Path, ending: str) -> None:
    put(tmp_path, "a.png", f"x{ending}", f"y{ending.upper()}", "noending")
    assert [path.name for path in find_pictures(tmp_path, recursive=True)] == ["a.png"]
    assert left_out([str(tmp_path), str(tmp_path / "a.png")]) == {ending: 2, "": 1}
    assert describe_endings(left_out([str(tmp_path)])) == f"2 {ending}, 1 without ending"


@pytest.mark.parametrize("ending", [".heic", ".HEIF"])
def test_photos_of_phones_that_pillow_does_not_read_come_with_what_to_do(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"x{ending}").write_bytes(b"\0\0\0\x18ftypheic")
    assert describe_endings(left_out([str(tmp_path)])) == f"1 {ending.lower()} (save as JPEG)"
    with pytest.raises(CorruptFileError, match="save it as JPEG"):
        read_picture(tmp_path / f"x{ending}")


def test_pictures_of_endings_that_are_not_written_become_png_and_no_two_share_a_name(tmp_path: Path) -> None:
    put(tmp_path / "in", "a.png", "a.gif", "a.tga", "b.gif", "b.tga", "c.jfif")
    jobs = find_jobs([str(tmp_path / "in"), str(tmp_path / "in" / "b.gif")], tmp_path / "out")
    assert {job.source.name: job.target.name for job in jobs} == {
        "a.png": "a.png", "a.gif": "a.gif.png", "a.tga": "a.tga.png", "b.gif": "b.png", "b.tga": "b.tga.png",
        "c.jfif": "c.jfif",
    }  # fmt: skip


def test_links_that_lead_nowhere_are_told_and_folders_with_an_ending_are_searched(tmp_path: Path) -> None:
    put(tmp_path / "in", "dir.png/inner.png")
    (tmp_path / "in" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "in" / "loop.png").symlink_to("loop.png")
    names = [job.source.name for job in find_jobs([str(tmp_path / "in")], tmp_path / "out")]
    assert names == ["inner.png", "gone.png", "loop.png"]
    assert [path.name for path in find_pictures(tmp_path / "in", recursive=True)] == ["inner.png"]


def test_only_parts_below_the_folder_count_as_hidden() -> None:
    assert not is_hidden(Path("a.png"))
    assert is_hidden(Path("x/__macosx/a.png"))


def test_an_empty_input_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingResourceError, match="empty"):
        find_jobs([""], tmp_path / "out")


def test_of_animations_the_first_picture_is_read_and_known_for_one_of_many(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for ending in (".gif", ".tif", ".webp", ".png"):
        first.save(tmp_path / f"many{ending}", save_all=True, append_images=[second])
        first.save(tmp_path / f"one{ending}")
        many, one = (read_picture(tmp_path / f"{name}{ending}") for name in ("many", "one"))
        assert (many.animated, one.animated) == (True, False), ending
        assert many.levels[4, 4, 0] > 200, ending


@pytest.mark.parametrize("ending", ["./x.png", ".gif", ".", ". png", ".mp4", ".exe", ".png/", ".p\0g"])
def test_pictures_are_written_in_formats_that_there_are_and_nowhere_else(ending: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(GdpError, match=r"--format .*pictures are written as bmp, .*; choose one of these"):
        find_jobs([str(tmp_path / "a.png")], tmp_path / "out", ending)


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name here")
def test_a_pipe_among_the_pictures_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    put(tmp_path, "a.png")
    code = (
        "import sys; from pathlib import Path\n"
        "from gdp.core.errors import GdpError\n"
        "from gdp.support.picture_files import picture_pixels, read_picture\n"
        "pipe = Path(sys.argv[1])\n"
        "assert picture_pixels(pipe) == 0\n"
        "try: read_picture(pipe)\n"
        "except GdpError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "pipe.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "there is no such picture" in done.stdout
    assert [path.name for path in find_pictures(tmp_path, recursive=True)] == ["a.png"]


def test_a_folder_of_other_files_alone_is_told_with_their_endings(tmp_path: Path) -> None:
    for name in ("a.HEIC", "below/b.heic", "notes.txt", ".hidden.raw"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert no_pictures(tmp_path, recursive=True).endswith(
        "there are no pictures (JPEG, PNG, WebP, ...) in this folder; there are 2 .heic (save as JPEG), 1 .txt files, "
        "which Pillow does not read"
    )
    with pytest.raises(MissingResourceError, match=r"2 \.heic \(save as JPEG\)"):
        ImageFolder(ImageFolderConfig(folder=tmp_path, resolution=8), BuildContext())
    (tmp_path / "none").mkdir()
    assert no_pictures(tmp_path / "none", recursive=True).endswith("in this folder")
