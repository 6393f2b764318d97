from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.pair_sources import FolderConfig
from gdp.plugins.pair_sources.folder import FolderSource

REAL = Path(os.environ.get("GDP_GOLDEN", "../shared/golden")).parent / "real" / "stylegan2_ffhq_edits" / "images"


def paint(path: Path, level: int, size: tuple[int, int] = (12, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pair NAME has source level 10 NAME and target level 10 NAME + 5."""
    for name in (3, 10, 7):
        paint(tmp_path / "before" / f"{name}.png", 10 * name)
        paint(tmp_path / "after" / f"{name}.webp", 10 * name + 5)
    return tmp_path


def make(folder: Path, **settings: object) -> FolderSource:
    data = {"source_folder": folder / "before", "target_folder": folder / "after", "resolution": 8, **settings}
    return FolderSource(FolderConfig.model_validate(data), BuildContext(seed=2))


def test_pairs_are_matched_by_name(folder: Path) -> None:
    source = make(folder)
    batch = source.make(range(3))
    assert (source.count, source.resolution, batch.source.shape) == (3, 8, (3, 3, 8, 8))
    assert [record.name for record in batch.records] == ["10", "3", "7"]
    levels = ((batch.target + 1) * 127.5).mean(dim=(1, 2, 3))
    assert [round(float(level) / 10) for level in ((batch.source + 1) * 127.5).mean(dim=(1, 2, 3))] == [10, 3, 7]
    assert [round(float(level)) for level in levels] == pytest.approx([105, 35, 75], abs=1)


def test_a_pair_is_the_same_in_every_batch(folder: Path) -> None:
    source = make(folder)
    whole = source.make([0, 1, 2])
    assert torch.equal(source.make([2]).target[0], whole.target[2])
    assert source.make([2]).records[0] == whole.records[2]


def test_files_without_a_partner_are_listed_and_never_paired(folder: Path) -> None:
    (folder / "after" / "7.webp").unlink()
    for name in range(100, 130):
        paint(folder / "after" / f"{name}.png", 0)
    with pytest.raises(MissingResourceError) as caught:
        make(folder)
    message = str(caught.value)
    assert "31 picture files have no partner" in message
    assert f"{folder / 'before' / '7.png'} has no target" in message
    assert message.count("has no source") == 19
    assert "and 11 more" in message


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    paint(folder / "before" / "7.jpg", 0)
    with pytest.raises(MissingResourceError, match=r"7\.jpg and 7\.png both fit"):
        make(folder)


def test_one_folder_can_hold_both_sides(tmp_path: Path) -> None:
    for name in ("ada", "bo.b"):
        paint(tmp_path / f"{name}_projected.jpg", 100)
        paint(tmp_path / f"{name}_age_neg20.jpg", 200)
        paint(tmp_path / f"{name}_age_pos20.jpg", 0)
    config = {"source_pattern": "{name}_projected.jpg", "target_pattern": "{name}_age_neg*"}
    source = make(tmp_path, source_folder=tmp_path, target_folder=tmp_path, **config)
    batch = source.make([0, 1])
    assert [record.name for record in batch.records] == ["ada", "bo.b"]
    assert batch.records[0].edit == {"kind": "folder", "source": "ada_projected.jpg", "target": "ada_age_neg20.jpg"}
    assert float(batch.target.min()) > 0.5


@pytest.mark.parametrize(
    "wrong",
    [{"source_pattern": "*.jpg"}, {"target_pattern": "{name}/{name}.jpg"}, {"target_folder": "before"}],
)
def test_patterns_that_pair_nothing_are_refused_by_the_settings(wrong: dict[str, str]) -> None:
    settings = {"source_folder": "before", "target_folder": "after", "resolution": 8, **wrong}
    with pytest.raises(ValidationError):
        FolderConfig.model_validate(settings)


def test_a_changed_picture_changes_the_fingerprint(folder: Path) -> None:
    before = make(folder).fingerprint
    assert make(folder).fingerprint == before
    paint(folder / "after" / "3.webp", 99)
    assert make(folder).fingerprint != before


def test_broken_pictures_are_named(folder: Path) -> None:
    (folder / "after" / "3.webp").write_bytes((folder / "after" / "3.webp").read_bytes()[:20])
    (folder / "before" / "7.png").write_text("no picture")
    with pytest.raises(CorruptFileError) as caught:
        make(folder).make([0, 1, 2])
    assert "3.webp" in str(caught.value)
    assert "7.png" in str(caught.value)


def test_sides_that_cropping_would_part_are_refused(folder: Path) -> None:
    paint(folder / "after" / "3.webp", 35, (24, 12))
    with pytest.raises(ShapeError, match="pair 3"):
        make(folder).make([1])


def test_sides_of_the_same_shape_may_differ_in_size(folder: Path) -> None:
    paint(folder / "before" / "3.png", 30, (300, 201))
    paint(folder / "after" / "3.webp", 35, (150, 100))
    assert make(folder).make([1]).target.shape == (1, 3, 8, 8)


def test_held_out_names_and_patterns(folder: Path) -> None:
    names = ["10", "3", "7", None]
    assert make(folder).held_out(names) is None
    assert make(folder, held_out_names=["1*"]).held_out(names) == [True, False, False, False]
    (folder / "names.txt").write_text("7\n\n")
    both = make(folder, held_out_names=["3"], held_out_file=folder / "names.txt")
    assert both.held_out(names) == [False, True, True, False]
    with pytest.raises(MissingResourceError, match="anna"):
        make(folder, held_out_names=["3", "anna"]).held_out(names)
    with pytest.raises(MissingResourceError, match="gone"):
        make(folder, held_out_file=folder / "gone.txt").held_out(names)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with pytest.raises(MissingResourceError, match="there are no pairs"):
        make(tmp_path)
    with pytest.raises(MissingResourceError, match="nowhere"):
        make(tmp_path, target_folder=tmp_path / "nowhere")


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real pictures is not here")
def test_real_edits_are_paired() -> None:
    settings = {
        "source_folder": REAL,
        "target_folder": REAL,
        "source_pattern": "{name}_projected.jpg",
        "target_pattern": "{name}_age_neg20.jpg",
        "resolution": 32,
        "held_out_names": ["102", "11*"],
    }
    source = FolderSource(FolderConfig.model_validate(settings), BuildContext())
    assert source.count == 39
    batch = source.make([0, 38])
    assert all(0.01 < float(difference) < 0.5 for difference in (batch.source - batch.target).abs().mean(dim=(1, 2, 3)))


def test_file_names_that_are_no_text_become_text_and_count_by_their_bytes(tmp_path: Path) -> None:
    fingerprints = set()
    for number, name in enumerate((b"caf\xe9", b"caf\xe8")):
        folder = tmp_path / str(number)
        for side in ("before", "after"):
            paint(folder / side / "plain.png", 90)
            paint(folder / side / os.fsdecode(name + b".png"), 20)
        source = make(folder, held_out_names=["caf*"])
        records = source.make([0, 1]).records
        assert [record.name for record in records] == ["caf\\xe" + str(9 - number), "plain"]
        assert records[0].edit["target"] == f"caf\\xe{9 - number}.png"
        assert source.held_out([record.name for record in records]) == [True, False]
        fingerprints.add(source.fingerprint)
    assert len(fingerprints) == 2
