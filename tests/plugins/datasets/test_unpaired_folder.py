from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest
import torch
from PIL import Image

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Part
from gdp.plugins.datasets import PUBLIC_SETS, UnpairedFolderConfig
from gdp.plugins.datasets import folders as unpaired_folder
from gdp.plugins.datasets.folders import UnpairedFolder
from gdp.plugins.datasets.pictures import open_picture, square
from gdp.registry import PluginRegistry

PARTS: tuple[Part, ...] = get_args(Part)
SHARED = Path(os.environ.get("GDP_GOLDEN", Path(__file__).parents[3] / ".." / "shared" / "golden")).parent
HORSES = SHARED / "real" / "horse2zebra"


def write_set(folder: Path, pictures: int = 3) -> Path:
    """Write a set whose picture i of part p has the grey level 10 p + i."""
    for number, part in enumerate(PARTS):
        (folder / part).mkdir(parents=True)
        for index in range(pictures):
            level = 10 * number + index
            Image.new("RGB", (20 + index, 16), (level, level, level)).save(folder / part / f"{index:02d}.png")
    return folder


def build(folder: Path, **settings: object) -> UnpairedFolder:
    return UnpairedFolder(
        UnpairedFolderConfig.model_validate({"folder": folder, "resolution": 8, **settings}), BuildContext()
    )


def test_parts_are_numbered_by_file_name(tmp_path: Path) -> None:
    pictures = build(write_set(tmp_path / "set"))
    assert [pictures.count(part) for part in PARTS] == [3, 3, 3, 3]
    for number, part in enumerate(PARTS):
        found = pictures.images(part, [2, 0, 2])
        assert (found.shape, found.dtype) == ((3, 3, 8, 8), torch.uint8)
        assert found[:, 0, 0, 0].tolist() == [10 * number + 2, 10 * number, 10 * number + 2]
        assert pictures.name(part, 1) == "01.png"
    assert pictures.images("trainA", []).shape == (0, 3, 8, 8)
    assert pictures.truth("testA", [0]) is None


def test_pictures_in_folders_of_a_part_and_of_any_kind_are_read(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 1)
    (folder / "trainA" / "more").mkdir()
    Image.new("CMYK", (9, 30), (0, 0, 0, 0)).save(folder / "trainA" / "more" / "a.jpg")
    Image.new("I;16", (9, 9), 200 * 257).save(folder / "trainA" / "z.tif")
    (folder / "trainA" / "notes.txt").write_text("no picture")
    pictures = build(folder)
    assert [pictures.name("trainA", index) for index in range(pictures.count("trainA"))] == [
        "00.png",
        "more/a.jpg",
        "z.tif",
    ]
    assert pictures.images("trainA", range(3))[:, :, 4, 4].tolist() == [[0] * 3, [255] * 3, [200] * 3]


def test_at_most_so_many_pictures_are_spread_over_the_names(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 10)
    pictures = build(folder, max_pictures=3)
    assert [pictures.name("trainB", index) for index in range(pictures.count("trainB"))] == [
        "00.png",
        "03.png",
        "06.png",
    ]
    assert build(folder, max_pictures=99).count("testA") == 10


def test_a_picture_is_read_when_it_is_first_asked_for_and_kept(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set")
    pictures = build(folder)
    first = pictures.images("trainA", [0])
    for path in (folder / "trainA").iterdir():
        path.unlink()
    assert torch.equal(pictures.images("trainA", [0]), first)
    with pytest.raises(CorruptFileError, match=r"01\.png"):
        pictures.images("trainA", [0, 1])
    first.zero_()
    assert pictures.images("trainB", [2]).float().mean() == 12


def test_a_set_too_large_for_memory_is_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpaired_folder, "CACHED_BYTES", 11 * 3 * 8 * 8)
    folder = write_set(tmp_path / "set")
    pictures = build(folder)
    pictures.images("trainA", [0])
    (folder / "trainA" / "00.png").unlink()
    with pytest.raises(CorruptFileError, match=r"00\.png"):
        pictures.images("trainA", [0])


def test_what_is_returned_may_be_changed(tmp_path: Path) -> None:
    pictures = build(write_set(tmp_path / "set"))
    pictures.images("trainB", [1]).zero_()
    assert pictures.images("trainB", [1]).float().mean() == 11


def test_the_fingerprint_follows_names_bytes_and_resolution(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set")
    first = build(folder)
    prints = {first.fingerprint, build(folder, resolution=16).fingerprint, build(folder, max_pictures=1).fingerprint}
    (folder / "trainA" / "02.png").rename(folder / "trainA" / "03.png")
    prints.add(build(folder).fingerprint)
    (folder / "trainA" / "03.png").rename(folder / "trainA" / "02.png")
    assert build(write_set(tmp_path / "copy")).fingerprint == build(folder).fingerprint == first.fingerprint
    (folder / "testB" / "00.png").write_bytes((folder / "testB" / "01.png").read_bytes())
    prints.add(build(folder).fingerprint)
    assert len(prints) == 5
    assert first.fingerprint in prints, "hashed once for each object"
    unread = build(folder)
    (folder / "testB" / "00.png").unlink()
    with pytest.raises(MissingResourceError, match=r"00\.png"):
        _ = unread.fingerprint


def test_all_broken_pictures_are_named_at_once(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set")
    (folder / "trainA" / "00.png").write_text("not a picture")
    content = (folder / "trainA" / "01.png").read_bytes()
    (folder / "trainA" / "01.png").write_bytes(content[: len(content) // 2])
    pictures = build(folder)
    with pytest.raises(CorruptFileError) as caught:
        pictures.images("trainA", range(3))
    assert "00.png" in str(caught.value)
    assert "01.png" in str(caught.value)
    assert "02.png" not in str(caught.value)


def test_missing_parts_are_named_with_the_mend(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set")
    for path in (folder / "testB").iterdir():
        path.unlink()
    with pytest.raises(MissingResourceError) as caught:
        build(folder)
    for words in (str(folder), "testB", "gdp fetch-data --list", "require_test_parts = false"):
        assert words in str(caught.value)
    assert "testA," not in str(caught.value)
    (folder / "testB").rmdir()
    assert build(folder, require_test_parts=False).count("testB") == 0
    with pytest.raises(MissingResourceError, match="trainA, trainB, testA, testB"):
        build(folder / "trainA")


def test_a_missing_public_set_tells_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError) as caught:
        build(tmp_path / "monet2photo")
    assert f"gdp fetch-data monet2photo --folder {tmp_path}" in str(caught.value)
    assert "no such folder" in str(caught.value)


def test_the_public_sets_are_registered() -> None:
    records = {record.name: record for record in PluginRegistry.discover().records("download")}
    assert {public.name for public in PUBLIC_SETS} <= records.keys()
    for record in records.values():
        assert record.urls == (f"https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/{record.name}.zip",)
        assert tuple(record.parts) == PARTS
        assert record.size > 10**7


@pytest.mark.skipif(not HORSES.is_dir(), reason="the shared photographs are not here")
def test_real_photographs() -> None:
    pictures = build(HORSES, resolution=64)
    assert [pictures.count(part) for part in PARTS] == [200, 200, 80, 80]
    for part in PARTS:
        everything = pictures.images(part, range(pictures.count(part)))
        assert everything.shape[1:] == (3, 64, 64)
        spread = everything.float().std(dim=(1, 2, 3))
        assert spread.min() > 5, "photographs are no plain areas"
    path = HORSES / "testA" / pictures.name("testA", 7)
    assert torch.equal(pictures.images("testA", [7])[0], square(open_picture(path), 64))
    assert len(pictures.fingerprint) == 64


def test_file_names_that_are_no_text_become_text_and_count_by_their_bytes(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 1)
    picture = folder / "trainA" / "00.png"
    fingerprints = set()
    for name in (b"caf\xe9.png", b"caf\xe8.png"):
        picture = picture.rename(picture.with_name(os.fsdecode(name)))
        pictures = build(folder)
        assert pictures.name("trainA", 0) == "caf\\x" + name[3:4].hex() + ".png"
        fingerprints.add(pictures.fingerprint)
    assert len(fingerprints) == 2
