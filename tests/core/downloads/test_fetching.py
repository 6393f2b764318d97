"""Fetching a set from a server that behaves, breaks off, lies and changes its mind."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive_server import IMPATIENT, PARTS, ArchiveServer, picture, tiny_record, tiny_set, zipped
from filelock import FileLock

from gdp.core.downloads.sets import FetchedSet, fetch_set
from gdp.core.errors import CorruptFileError, DiskFullError, MissingResourceError, RunFolderError, RunLockedError
from gdp.core.progress import ProgressTask
from gdp.core.records import DownloadRecord

ARCHIVE = tiny_set()
OTHER_ARCHIVE = tiny_set(**{"trainA/3.jpg": picture("blue")})
HALF = len(ARCHIVE) // 2

Serve = Callable[..., ArchiveServer]


class Listener:
    """Keeps what it is told of the progress."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.done: dict[str, int] = {}
        self.totals: dict[str, int] = {}

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        listener = self

        class Task:
            def advance(self, amount: int = 1, **status: float | str) -> None:
                listener.done[name] += amount

        self.done[name], self.totals[name] = done, total
        yield Task()

    def message(self, text: str) -> None:
        self.messages.append(text)


def fetch(
    server: ArchiveServer, folder: Path, record: DownloadRecord | None = None, progress: Listener | None = None
) -> FetchedSet:
    record = record or tiny_record(ARCHIVE)
    return fetch_set(record, folder, mirror=server.url, progress=progress, patience=IMPATIENT)


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


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


@pytest.mark.parametrize(
    "validators", [{}, {"etag": "", "modified": "Sat, 21 Nov 2026 05:00:00 GMT"}], ids=["etag", "last-modified"]
)
def test_a_broken_download_goes_on_where_it_was(serve: Serve, tmp_path: Path, validators: dict[str, str]) -> None:
    server = serve(ARCHIVE, break_after=[HALF, 1000], **validators)
    listener = Listener()
    assert fetch(server, tmp_path, progress=listener).fetched
    assert server.sent == [HALF, 1000, len(ARCHIVE) - HALF - 1000], "no byte is sent twice"
    assert [request.get("Range") for request in server.asked] == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert len([message for message in listener.messages if "next try in" in message]) == 2


def test_another_command_goes_on_where_the_first_gave_up(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, break_after=[HALF] + [0] * 9)
    with pytest.raises(MissingResourceError, match="What came so far is kept"):
        fetch(server, tmp_path)
    assert leftovers(tmp_path) == {"tiny.zip.part", "tiny.zip.part.json"}
    server.break_after, server.sent = [], []
    assert fetch(server, tmp_path).fetched
    assert server.sent == [len(ARCHIVE) - HALF]


def test_a_line_that_always_breaks_but_always_brings_something_is_not_given_up(serve: Serve, tmp_path: Path) -> None:
    step = len(ARCHIVE) // 9
    server = serve(ARCHIVE, break_after=[step] * 9)
    assert fetch(server, tmp_path).fetched
    assert len(server.sent) > IMPATIENT.attempts


def test_ctrl_c_keeps_what_came(serve: Serve, tmp_path: Path) -> None:
    class Interrupting(Listener):
        def message(self, text: str) -> None:
            raise KeyboardInterrupt

    server = serve(ARCHIVE, break_after=[HALF])
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=Interrupting())
    assert (tmp_path / "tiny.zip.part").stat().st_size == HALF
    assert fetch(server, tmp_path).fetched
    assert server.sent == [HALF, len(ARCHIVE) - HALF]


def test_ctrl_c_while_unpacking_asks_no_server_again(serve: Serve, tmp_path: Path) -> None:
    class Interrupting(Listener):
        @contextmanager
        def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
            if name.startswith("unpacking"):
                raise KeyboardInterrupt
            with super().task(name, total, unit, done) as task:
                yield task

    server = serve(ARCHIVE)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=Interrupting())
    assert leftovers(tmp_path) == {"tiny.zip.part", "tiny.zip.part.json"}
    assert fetch(server, tmp_path).fetched
    assert len(server.asked) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_without_range_is_asked_for_all_of_it(serve: Serve, tmp_path: Path, chunked: bool) -> None:
    server = serve(ARCHIVE, break_after=[] if chunked else [HALF], ranges=False, chunked=chunked)
    assert fetch(server, tmp_path).fetched
    assert server.sent == ([len(ARCHIVE)] if chunked else [HALF, len(ARCHIVE)])


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_gone_on_with(serve: Serve, tmp_path: Path, etag: str) -> None:
    server = serve(ARCHIVE, break_after=[HALF], etag=etag)
    assert fetch(server, tmp_path).fetched
    assert server.sent == [HALF, len(ARCHIVE)]


def test_a_file_that_changed_on_the_server_starts_over(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, break_after=[HALF] + [0] * 9)
    with pytest.raises(MissingResourceError):
        fetch(server, tmp_path)
    server.content, server.etag, server.break_after, server.sent = OTHER_ARCHIVE, '"second"', [], []
    listener = Listener()
    assert fetch(server, tmp_path, progress=listener).pictures["trainA"] == 3
    assert server.sent == [len(OTHER_ARCHIVE)]
    assert "tiny: trainA has 3 pictures, 2 were expected" in listener.messages


@pytest.mark.parametrize(
    "lie",
    [
        {"Content-Range": f"bytes 0-{len(ARCHIVE) - 1}/{len(ARCHIVE)}"},
        {"Content-Range": f"bytes {HALF}-{len(ARCHIVE)}/{len(ARCHIVE) + 1}"},
        {"Content-Range": "nonsense"},
        {"ETag": '"other"'},
    ],
    ids=["start", "size", "nonsense", "etag"],
)
def test_a_rest_that_does_not_fit_starts_over(serve: Serve, tmp_path: Path, lie: dict[str, str]) -> None:
    server = serve(ARCHIVE, break_after=[HALF])

    class Truthful(Listener):
        def message(self, text: str) -> None:
            server.headers = {} if "another" in text else lie

    assert fetch(server, tmp_path, progress=Truthful()).fetched
    assert server.sent[-1] == len(ARCHIVE)


def test_a_busy_server_is_asked_again(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, statuses=[503, 429], headers={"Retry-After": "7"})
    listener = Listener()
    assert fetch(server, tmp_path, progress=listener).fetched
    assert [message.split(";")[0] for message in listener.messages] == [
        "tiny: the server answers 503 Service Unavailable",
        "tiny: the server answers 429 Too Many Requests",
    ]


def test_a_server_that_stays_broken_is_given_up(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, statuses=[500] * 20)
    with pytest.raises(MissingResourceError, match=r"500 Internal Server Error \(3 tries\)"):
        fetch(server, tmp_path)
    assert len(server.asked) == IMPATIENT.attempts


@pytest.mark.parametrize("status", [404, 403, 206, 204])
def test_an_answer_without_the_file_is_final(serve: Serve, tmp_path: Path, status: int) -> None:
    server = serve(ARCHIVE, statuses=[status])
    with pytest.raises(MissingResourceError) as caught:
        fetch(server, tmp_path)
    for words in (f"answers {status}", "--mirror", "GDP_MIRROR", str(tmp_path / "tiny.zip"), server.url):
        assert words in str(caught.value)
    assert len(server.asked) == 1


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


def test_the_mirror_of_the_environment_is_used_and_the_options_goes_before_it(
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


@pytest.mark.parametrize("memory", ["", "[]", "{", '{"url": 3, "size": "x"}'])
def test_bytes_of_unknown_origin_are_not_used(serve: Serve, tmp_path: Path, memory: str) -> None:
    (tmp_path / "tiny.zip.part").write_bytes(b"x" * 100)
    (tmp_path / "tiny.zip.part.json").write_text(memory)
    server = serve(ARCHIVE)
    assert fetch(server, tmp_path).fetched
    assert server.sent == [len(ARCHIVE)]


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
