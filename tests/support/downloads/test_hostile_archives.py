"""Archives that are made to do harm write nothing anywhere."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest
from archive_server import PARTS, picture, zipped

from gdp.core.errors import CorruptFileError, DiskFullError
from gdp.core.progress import SilentProgress
from gdp.support.downloads import unpacking
from gdp.support.downloads.unpacking import unpack_pictures

GOOD: dict[str | zipfile.ZipInfo, bytes] = {f"tiny/{part}/1.jpg": picture() for part in PARTS}


def unpack(content: bytes, folder: Path) -> Path:
    (folder / "archive").mkdir(exist_ok=True)
    archive = folder / "archive" / "tiny.zip"
    archive.write_bytes(content)
    target = folder / "inside" / "tiny"
    target.parent.mkdir(exist_ok=True)
    unpack_pictures(archive, target, folder="tiny", parts=PARTS, name="tiny", progress=SilentProgress())
    return target


def refuse(content: bytes, folder: Path, reason: str | None = None) -> None:
    with pytest.raises(CorruptFileError, match=reason):
        unpack(content, folder)
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert written == {"archive", "archive/tiny.zip", "inside"}


def member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    information = zipfile.ZipInfo(name)
    information.external_attr = mode << 16
    return information


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "tiny/trainA/../../../evil.jpg",
        "/tmp/evil.jpg",
        "//server/evil.jpg",
        "C:/evil.jpg",
        "c:evil.jpg",
        "tiny\\..\\..\\evil.jpg",
        "tiny/trainA/\x1b[2J.jpg",
        "tiny/..",
    ],
)
def test_names_that_point_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    refuse(zipped({**GOOD, name: picture()}), tmp_path, "points out of its folder")


def test_a_name_with_a_hidden_end_is_refused(tmp_path: Path) -> None:
    content = zipped({**GOOD, "tiny/trainA/evil.sh_.jpg": picture()})
    refuse(content.replace(b"evil.sh_.jpg", b"evil.sh\x00.jpg"), tmp_path, "points out of its folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int, tmp_path: Path) -> None:
    refuse(
        zipped({**GOOD, member("tiny/trainA/link.jpg", kind | 0o777): b"/etc/passwd"}), tmp_path, "a link or a device"
    )


def test_modes_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    target = unpack(zipped({**GOOD, member("tiny/trainA/tool.jpg", stat.S_IFREG | 0o6777): picture()}), tmp_path)
    assert not (target / "trainA" / "tool.jpg").stat().st_mode & 0o7111


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    bomb = zipped({**GOOD, "tiny/trainA/bomb.jpg": bytes(40_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    refuse(bomb, tmp_path, "made to fill the disk")


def test_many_small_bombs_are_one(tmp_path: Path) -> None:
    bombs: dict[str | zipfile.ZipInfo, bytes] = {f"tiny/trainA/{number}.jpg": bytes(2_000_000) for number in range(20)}
    refuse(zipped({**GOOD, **bombs}, zipfile.ZIP_DEFLATED), tmp_path, "made to fill the disk")


def test_a_bomb_that_lies_about_its_size_writes_no_more_than_it_told(tmp_path: Path) -> None:
    size = 20_000_000
    content = zipped({**GOOD, "tiny/trainA/bomb.jpg": bytes(size)}, zipfile.ZIP_DEFLATED)
    lying = content.replace(struct.pack("<I", size), struct.pack("<I", 1000))
    assert lying != content
    refuse(lying, tmp_path, "is damaged")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 3)
    refuse(zipped(GOOD), tmp_path, "are the most that is unpacked")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("tiny/trainA/1.jpg",), ("tiny/trainA//1.jpg",), ("tiny/trainA/1.jpg/2.jpg",)])
def test_several_files_of_one_name_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    files: dict[str | zipfile.ZipInfo, bytes] = {**GOOD}
    files.update((member(name), picture()) for name in names)
    refuse(zipped(files), tmp_path, "several files of one name")


def test_encrypted_and_unusual_members_are_refused(tmp_path: Path) -> None:
    refuse(zipped(GOOD, zipfile.ZIP_LZMA), tmp_path, "packed in an unusual way")
    content = bytearray(zipped({"tiny/trainA/1.jpg": picture()}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    refuse(bytes(content), tmp_path, "encrypted")


def test_names_too_long_for_a_disk_are_refused(tmp_path: Path) -> None:
    refuse(zipped({**GOOD, f"tiny/trainA/{'x' * 300}.jpg": picture()}), tmp_path, "too long")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(1000)])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    refuse(content, tmp_path, "damaged|no pictures in")


def test_every_cut_and_many_flipped_bits_end_in_an_error_or_in_a_good_set(tmp_path: Path) -> None:
    content = zipped({f"tiny/{part}/1.jpg": b"picture" for part in PARTS})
    for length in range(0, len(content), 7):
        refuse(content[:length], tmp_path)
    for place in range(0, len(content), 3):
        damaged = content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
        try:
            target = unpack(damaged, tmp_path)
        except CorruptFileError:
            continue
        assert {path.read_bytes() for path in target.rglob("*.jpg")} == {b"picture"}
        target.rename(tmp_path / f"good{place}")


def test_leftovers_of_a_killed_process_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "inside" / "tiny.unpacking").mkdir(parents=True)
    (tmp_path / "inside" / "tiny.unpacking" / "stale.jpg").write_text("")
    target = unpack(zipped(GOOD), tmp_path)
    assert [path.name for path in target.parent.iterdir()] == ["tiny"]
    assert not (target / "stale.jpg").exists()


def test_room_is_looked_for_before_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 100

    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DiskFullError, match="needed to unpack it"):
        unpack(zipped(GOOD), tmp_path)
