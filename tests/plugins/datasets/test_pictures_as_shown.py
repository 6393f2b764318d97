"""Whatever picture Pillow writes: training is shown the very levels that `gdp apply` shows the network."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image, ImageCms

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pictures import from_levels, to_levels
from gdp.core.progress import SilentProgress
from gdp.plugins.datasets.pictures import square
from gdp.registry import PluginRegistry
from gdp.support.picture_files import shown_levels
from gdp.support.picture_finding import find_pictures, picture_endings
from gdp.tools.deploy.applying import Application, Applied, apply_to_pictures
from gdp.tools.deploy.files import find_jobs
from gdp.tools.deploy.student import _to_tensor

REGISTRY = PluginRegistry.discover()
RESOLUTION = 16
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L")
PROFILES = (None, None, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"junk", b"\0" * 128)
PROFILES += (ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),)
SETTINGS = {"resolution": RESOLUTION}


def endings() -> list[str]:
    """Return every ending that Pillow both writes and reads."""
    Image.init()
    return sorted(ending for ending in picture_endings() if Image.registered_extensions()[ending] in Image.SAVE)


def exif(chance: random.Random) -> bytes | None:
    """Return no tags, an orientation, one that there is not, a tag of a wrong kind beside it, or a damaged block."""
    tags = Image.Exif()
    tags[0x0112] = chance.choice((1, 2, 3, 4, 5, 6, 7, 8, 0, 9))
    tags[0x010E] = "a description"
    whole = tags.tobytes()
    damaged = bytearray(whole)
    damaged[chance.randrange(6, len(whole))] ^= 0xFF
    return chance.choice((None, whole, whole, bytes(damaged), whole[: len(whole) // 2], b"Exif\0\0", b"junk"))


def image(mode: str, chance: random.Random) -> Image.Image:
    """Return noise of a mode and of any small size; single rows and columns among them."""
    width, height = (chance.choice((1, 2, 3, 8, 15, 16, 17, 40)) for _ in range(2))
    numbers = numpy.random.default_rng(chance.getrandbits(32))
    if mode == "F":
        largest = chance.choice((1.0, 2.0, 255.0, 65535.0))
        return Image.fromarray((numbers.random((height, width)) * largest).astype(numpy.float32))
    if mode in DEEP:
        bits = 31 if mode == "I" and chance.random() < 0.3 else 16
        values = numbers.integers(0, 2**bits, (height, width))
        kind = {"I": "<i4", "I;16B": ">u2"}.get(mode, "<u2")
        return Image.frombytes(mode, (width, height), values.astype(kind).tobytes())
    made = Image.fromarray(numbers.integers(0, 256, (height, width, 4), dtype=numpy.uint8))
    if mode in ("La", "PA"):
        return made.convert("LA" if mode == "La" else "RGB").convert("LA").convert(mode)
    if mode in ("LAB", "HSV", "CMYK", "YCbCr", "RGBX", "1", "P"):
        made = made.convert("RGB")
    if mode == "LAB":
        return Image.frombytes("LAB", made.size, made.tobytes())
    return made.convert(mode)


def write(path: Path, mode: str, chance: random.Random) -> bool:
    """Write a picture; say whether Pillow writes such a one that it reads itself."""
    options: dict[str, Any] = {"icc_profile": chance.choice(PROFILES), "exif": exif(chance)}
    if mode == "P" and chance.random() < 0.5:
        options["transparency"] = chance.randrange(256)
    try:
        image(mode, chance).save(path, **{name: value for name, value in options.items() if value is not None})
        with Image.open(path) as file:
            file.load()  # some of what it writes (.icns of one pixel) it does not read
    except Exception:  # noqa: BLE001 # how Pillow refuses a picture is of no one kind
        path.unlink(missing_ok=True)
        return False
    return True


def write_all(folder: Path, seed: int) -> list[Path]:
    """Write a picture of every mode and ending, with chance for all the rest; return those that are whole."""
    folder.mkdir(parents=True)
    chance, made = random.Random(seed), []
    for ending, mode in itertools.product(endings(), MODES + DEEP):
        path = folder / f"{len(made):04}{ending.upper() if chance.random() < 0.1 else ending}"
        if write(path, mode, chance):
            made.append(path)
    return made


def apply(folder: Path) -> tuple[Applied, dict[str, numpy.ndarray]]:
    """Translate a folder by a network that remembers what it is shown; return that by the names of the files."""
    seen: list[numpy.ndarray] = []

    def look(pictures: numpy.ndarray) -> numpy.ndarray:
        seen.extend(pictures.copy())
        return pictures

    jobs = find_jobs([str(folder)], folder.parent / "out", ".png")
    applied = apply_to_pictures(jobs, Application(look, batch=1), SilentProgress())
    names = {job.target: job.source.name for job in jobs}
    return applied, dict(zip((names[path] for path in applied.translated), seen, strict=True))


def build(kind: str, name: str, **settings: Any) -> Any:
    record = REGISTRY.get(kind, name)
    return REGISTRY.load(record)(record.config.model_validate({**SETTINGS, **settings}), BuildContext())


def shown_in_training(folder: Path) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Yield what each dataset and pair source that reads files shows of each: its name, the file's, (3, R, R) uint8."""
    files = find_pictures(folder, recursive=True)
    many = range(len(files))
    pictures = build("dataset", "image-folder", folder=folder).images(many)
    (folder.parent / "trainB").symlink_to(folder, target_is_directory=True)
    unpaired = build("dataset", "unpaired-folder", folder=folder.parent, require_test_parts=False)
    batch = build("pair-source", "folder", source_folder=folder, target_folder=folder.parent / "trainB").make(many)
    for index in many:
        name = files[index].name
        yield "image-folder", name, pictures[index]
        yield "folder", name, to_levels(batch.source[index])
        yield "folder", name, to_levels(batch.target[index])
        for part in ("trainA", "trainB"):
            yield "unpaired-folder", unpaired.name(part, index), unpaired.images(part, [index])[0]


def hold(folder: Path, seed: int) -> int:
    """Hold the property for one folder; return how many pictures it was held for."""
    made = write_all(folder, seed)
    applied, seen = apply(folder)
    assert [failed.reason for failed in applied.failed] == []
    assert set(seen) == {path.name for path in made}
    due = {name: square(Image.fromarray(levels), RESOLUTION) for name, levels in seen.items()}
    for who, name, levels in shown_in_training(folder):
        assert torch.equal(levels, due[name]), f"{who} shows {name} (seed {seed}) otherwise than gdp apply"
    for path in made:
        levels = torch.from_numpy(seen[path.name].copy()).movedim(-1, 0)
        assert torch.equal(_to_tensor(path), from_levels(levels)), f"gdp.load shows {path.name} otherwise"
    return len(made)


def test_training_is_shown_what_apply_shows_to_the_bit(tmp_path: Path) -> None:
    assert hold(tmp_path / "trainA", 13) > 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_training_is_shown_what_apply_shows_to_the_bit_at_length(tmp_path: Path, seed: int) -> None:
    hold(tmp_path / "trainA", seed)


def test_an_image_in_memory_is_shown_as_its_file(tmp_path: Path) -> None:
    chance = random.Random(5)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        given = image(mode, chance)
        given.save(tmp_path / "picture.png")
        assert numpy.array_equal(shown_levels(given), shown_levels(Image.open(tmp_path / "picture.png"))), mode


def damage(content: bytes, chance: random.Random) -> bytes:
    return chance.choice((b"", content[: len(content) // 3], b"junk" * 20, bytes(len(content))))


def test_a_folder_with_one_bad_file_loses_nothing_else(tmp_path: Path) -> None:
    chance, folder = random.Random(7), tmp_path / "trainA"
    folder.mkdir()
    for ending in endings():
        for path in folder.iterdir():
            path.unlink()
        good = [path for number in range(3) if write(path := folder / f"{number}{ending}", "RGB", chance)]
        if len(good) < 3:
            continue
        whole = apply(folder)[1]
        good[1].write_bytes(damage(good[1].read_bytes(), chance))
        applied, seen = apply(folder)
        if good[1].name in seen:  # formats without a sign of their own take anything
            continue
        assert [failed.path for failed in applied.failed] == [good[1]]
        assert all(numpy.array_equal(seen[path.name], whole[path.name]) for path in (good[0], good[2]))
        dataset = build("dataset", "image-folder", folder=folder)
        with pytest.raises(CorruptFileError, match=f"1{ending}") as caught:
            dataset.images(range(3))
        assert f"0{ending}" not in str(caught.value) and f"2{ending}" not in str(caught.value)
        assert len(dataset.images([0, 2])) == 2
