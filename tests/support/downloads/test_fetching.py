"""Fetching a set: what is left on the disk, what is refused, who is asked."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_server import (
    IMPATIENT,
    PARTS,
    ArchiveServer,
    Listener,
    fetch,
    leftovers,
    picture,
    tiny_record,
    tiny_set,
    zipped,
)
from filelock import FileLock

from gdp.core.errors import CorruptFileError, DiskFullError, MissingResourceError, RunFolderError, RunLockedError
from gdp.support.downloads.sets import fetch_set

ARCHIVE = tiny_set()
OTHER_ARCHIVE = tiny_set(**{"trainA/3.jpg": picture("blue")})
HALF = len(ARCHIVE) // 2

Serve = Callable[..., ArchiveServer]


def test_a_set_is_downloaded_unpacked_and_remembered(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE)
    found = fetch(server, tmp_path / "new" / "sets")
    assert found.fetched
    assert found.pictures == dict.fromkeys(PARTS, 2)
    assert (found.folder / "trainA" / "1.jpg").read_bytes() == picture()
    assert (found.folder / "readme.txt").is_file()
    assert leftovers(found.folder.parent) == {"tiny", "downloads.json"}
    entry = json.loads((found.folder.parent / "downloads.json").read_text())["tiny"]
    assert (entry["sha256"], entry["bytes"], entry["url"]) == (found.sha256, len(ARCHIVE), f"{server.url}/tiny.zip")


def test_a_folder_in_place_is_used_and_nobody_is_asked(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE)
    for part in PARTS:
        (tmp_path / "tiny" / part).mkdir(parents=True)
        (tmp_path / "tiny" / part / "own.png").write_bytes(b"whatever")
    found = fetch(server, tmp_path)
    assert (found.fetched, found.pictures) == (False, dict.fromkeys(PARTS, 1))
    assert server.asked == []
    assert leftovers(tmp_path) == {"tiny"}


def test_half_a_set_in_place_is_never_mixed_with_a_download(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE)
    (tmp_path / "tiny" / "trainA").mkdir(parents=True)
    (tmp_path / "tiny" / "trainA" / "own.png").write_bytes(b"whatever")
    with pytest.raises(MissingResourceError, match="no pictures in trainB, testA, testB"):
        fetch(server, tmp_path)
    assert server.asked == []


def test_an_empty_folder_in_place_is_filled(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    assert fetch(serve(ARCHIVE), tmp_path).fetched


def test_nobody_listening_is_explained(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(MissingResourceError, match="refused"):
        fetch_set(tiny_record(ARCHIVE), tmp_path, mirror="http://127.0.0.1:9", patience=IMPATIENT)


def test_garbage_is_refused_at_its_first_bytes(serve: Serve, tmp_path: Path) -> None:
    server = serve(b"<html>please log in</html>" * 10_000, headers={"Content-Type": "text/html"})
    with pytest.raises(CorruptFileError, match="text/html that is no zip archive"):
        fetch(server, tmp_path, tiny_record(ARCHIVE, size=10**6))
    assert leftovers(tmp_path) == set()


def test_garbage_does_not_cost_what_another_server_sent(serve: Serve, tmp_path: Path) -> None:
    good, bad = serve(ARCHIVE, break_after=[HALF] + [0] * 9), serve(b"<html>")
    with pytest.raises(MissingResourceError):
        fetch(good, tmp_path)
    with pytest.raises(CorruptFileError, match="is kept"):
        fetch(bad, tmp_path)
    good.break_after, good.sent = [], []
    assert fetch(good, tmp_path).fetched
    assert good.sent == [len(ARCHIVE) - HALF]


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_archive_is_removed_and_explained(serve: Serve, tmp_path: Path, damage: str) -> None:
    middle = ARCHIVE.index(b"tiny/readme.txt") + 5000
    flipped = ARCHIVE[:middle] + bytes([ARCHIVE[middle] ^ 1]) + ARCHIVE[middle + 1 :]
    server = serve(ARCHIVE[:HALF] if damage == "truncated" else flipped)
    with pytest.raises(CorruptFileError, match="the archive of tiny is damaged") as caught:
        fetch(server, tmp_path)
    assert "has been removed: run the same command again" in str(caught.value)
    assert leftovers(tmp_path) == set()
    server.content = ARCHIVE
    assert fetch(server, tmp_path).fetched


def test_a_known_hash_must_be_met(serve: Serve, tmp_path: Path) -> None:
    first = fetch(serve(ARCHIVE), tmp_path / "first")
    assert fetch(serve(ARCHIVE), tmp_path / "right", tiny_record(ARCHIVE, sha256=first.sha256)).fetched
    with pytest.raises(CorruptFileError, match="not the archive of tiny that its publisher hashed"):
        fetch(serve(OTHER_ARCHIVE), tmp_path / "wrong", tiny_record(ARCHIVE, sha256=first.sha256))
    assert leftovers(tmp_path / "wrong") == set()


def test_the_first_downloads_hash_is_checked_ever_after(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE)
    found = fetch(server, tmp_path)
    shutil.rmtree(found.folder)
    assert fetch(server, tmp_path).sha256 == found.sha256
    shutil.rmtree(found.folder)
    server.content = OTHER_ARCHIVE
    with pytest.raises(CorruptFileError, match=r"downloaded here the first time.*take tiny out of downloads\.json"):
        fetch(server, tmp_path)
    assert not found.folder.exists()
    (tmp_path / "downloads.json").write_text("{")
    with pytest.raises(CorruptFileError, match=r"downloads\.json: this record of downloads cannot be read"):
        fetch(server, tmp_path)


def test_an_archive_that_somebody_put_there_is_taken_and_stays(serve: Serve, tmp_path: Path) -> None:
    server = serve(b"")
    (tmp_path / "tiny.zip").write_bytes(ARCHIVE[:HALF])
    with pytest.raises(CorruptFileError, match=r"tiny\.zip: the archive of tiny is damaged .* Take it away"):
        fetch(server, tmp_path)
    (tmp_path / "tiny.zip").write_bytes(ARCHIVE)
    assert fetch(server, tmp_path).fetched
    assert leftovers(tmp_path) == {"tiny", "tiny.zip", "downloads.json"}
    assert server.asked == []


def test_the_next_server_is_asked_where_one_fails(serve: Serve, tmp_path: Path) -> None:
    missing, good = serve(ARCHIVE, statuses=[404]), serve(ARCHIVE)
    urls = (f"{missing.url}/tiny.zip", f"{good.url}/tiny.zip")
    assert fetch_set(tiny_record(ARCHIVE, urls=urls), tmp_path, patience=IMPATIENT).fetched
    assert (len(missing.asked), len(good.asked)) == (1, 1)


def test_the_mirror_of_the_environment_is_used_and_the_options_before_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other = serve(ARCHIVE), serve(ARCHIVE)
    monkeypatch.setenv("GDP_MIRROR", f"{named.url}/")
    assert fetch_set(tiny_record(ARCHIVE), tmp_path / "a").fetched
    assert fetch(other, tmp_path / "b").fetched
    assert (len(named.asked), len(other.asked)) == (1, 1)


def test_redirections_are_followed_but_not_for_ever(serve: Serve, tmp_path: Path) -> None:
    good = serve(ARCHIVE)
    assert fetch(serve(ARCHIVE, location=f"{good.url}/elsewhere"), tmp_path / "a").fetched
    with pytest.raises(MissingResourceError, match="redirects more than"):
        fetch(serve(ARCHIVE, location="/again"), tmp_path / "b")
    with pytest.raises(
        MissingResourceError, match=r"http://example\.com/x: this address is refused .* redirects to it"
    ):
        fetch(serve(ARCHIVE, location="http://example.com/x"), tmp_path / "c")
    with pytest.raises(MissingResourceError, match="no https address"):
        fetch(serve(ARCHIVE, location="file:///etc/passwd"), tmp_path / "d")


@pytest.mark.parametrize("place", ["data:,x", "mailto:ada@example.com", "javascript:x"])
def test_a_redirection_to_what_is_no_address_is_a_sentence(serve: Serve, tmp_path: Path, place: str) -> None:
    with pytest.raises(MissingResourceError, match="the server redirects to what is no address"):
        fetch(serve(ARCHIVE, location=place), tmp_path / "set")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_far_too_large_is_not_downloaded(serve: Serve, tmp_path: Path, chunked: bool) -> None:
    server = serve(ARCHIVE + bytes(1_000_000), chunked=chunked)
    with pytest.raises(CorruptFileError, match="this is another file"):
        fetch(server, tmp_path, tiny_record(ARCHIVE, size=1000))


def test_an_unasked_encoding_is_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, headers={"Content-Encoding": "gzip"})
    with pytest.raises(CorruptFileError, match="another encoding"):
        fetch(server, tmp_path)
    assert server.asked[0]["Accept-Encoding"] == "identity"


def test_a_full_disk_is_told_before_the_download(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 2 * len(ARCHIVE)))
    with pytest.raises(DiskFullError, match="are needed to download and unpack tiny"):
        fetch(serve(ARCHIVE), tmp_path)
    monkeypatch.undo()
    monkeypatch.delenv("GDP_MIRROR", raising=False)
    assert fetch(serve(ARCHIVE), tmp_path).fetched


def test_a_folder_that_cannot_be_written_is_explained(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        fetch(serve(ARCHIVE), tmp_path / "file" / "sets")


def test_two_processes_do_not_fetch_one_set(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE)
    with FileLock(tmp_path / ".tiny.lock"), pytest.raises(RunLockedError, match="another process"):
        fetch(server, tmp_path)
    assert fetch(server, tmp_path).fetched


def test_progress_counts_megabytes_from_where_it_goes_on(serve: Serve, tmp_path: Path) -> None:
    archive = tiny_set(**{"notes.txt": bytes(5_000_000)})
    server, listener = serve(archive, break_after=[3_000_000]), Listener()
    assert fetch(server, tmp_path, tiny_record(archive), listener).fetched
    assert (listener.done["tiny"], listener.totals["tiny"]) == (len(archive) // 1_000_000, 5)
    assert listener.done["unpacking tiny"] == listener.totals["unpacking tiny"] == 10


def test_other_files_are_left_in_the_archive(serve: Serve, tmp_path: Path) -> None:
    archive = tiny_set(**{"trainA/run.sh": b"rm -rf", "val/1.jpg": picture(), "trainA/.hidden.jpg": picture()})
    listener = Listener()
    found = fetch(serve(archive), tmp_path, tiny_record(archive), listener)
    assert sorted(path.name for path in found.folder.iterdir()) == ["readme.txt", *sorted(PARTS)]
    assert sorted(path.name for path in (found.folder / "trainA").iterdir()) == ["1.jpg", "2.jpg"]
    assert "tiny: 3 other files were left in the archive" in listener.messages


def test_a_set_of_the_wrong_layout_tells_what_the_archive_holds(serve: Serve, tmp_path: Path) -> None:
    archive = zipped({"tiny/trainA/1.jpg": picture(), "other/trainB/1.jpg": picture()})
    with pytest.raises(
        CorruptFileError, match=r"no pictures in tiny/trainB.*its folders are other/trainB, tiny/trainA"
    ):
        fetch(serve(archive), tmp_path, tiny_record(archive))
