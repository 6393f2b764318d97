"""Weights by their address: downloaded once, gone on with, and used only with the hash that the recipe tells."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from archive_server import ArchiveServer
from safetensors.torch import save

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.downloads.download import Patience
from gdp.support.downloads.weights import fetch_weights
from gdp.support.weights import cache_folder, check_weights, refusal, weights_file

CONTENT = save({"weight": torch.arange(100_000.0)})
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(attempts=2, first_wait=0.01, longest_wait=0.02)


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    server = ArchiveServer(CONTENT)
    listener = server.start()
    yield server
    listener.shutdown()
    listener.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GDP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def address(server: ArchiveServer, sha256: str = SHA256) -> str:
    return f"{server.url}/ffhq.safetensors#sha256={sha256}"


def test_a_file_is_downloaded_once(server: ArchiveServer, cache: Path) -> None:
    for _ in range(2):
        path = weights_file(check_weights(address(server)))
        assert path == cache / f"{SHA256}.safetensors"
        assert path.read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert [file.name for file in cache.iterdir() if file.name[0] != "."] == [path.name]


def test_a_broken_download_goes_on(server: ArchiveServer, cache: Path) -> None:
    server.break_after = [150_000]
    fetch_weights(f"{server.url}/w.safetensors", SHA256, cache / "w.safetensors", patience=QUICK)
    assert (cache / "w.safetensors").read_bytes() == CONTENT
    assert [request.get("Range") for request in server.asked] == [None, "bytes=150000-"]


def test_another_file_than_was_hashed_is_never_used(server: ArchiveServer, cache: Path) -> None:
    with pytest.raises(CorruptFileError, match=rf"has the sha256 {SHA256}, and the recipe asks for 0000"):
        weights_file(address(server, 64 * "0"))
    assert not [file for file in cache.iterdir() if file.name[0] != "."]


def test_something_else_is_not_downloaded(server: ArchiveServer, cache: Path) -> None:
    server.content = b"<html>" + bytes(10**6)
    with pytest.raises(CorruptFileError, match="that is no safetensors file"):
        weights_file(address(server))
    assert not [file for file in cache.iterdir() if file.name[0] != "."]


def test_a_file_of_the_cache_that_was_changed_is_not_used(server: ArchiveServer) -> None:
    path = weights_file(address(server))
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(CorruptFileError, match="was changed or damaged"):
        weights_file(address(server))


def test_where_no_server_gives_it_the_place_for_the_file_is_told(server: ArchiveServer, cache: Path) -> None:
    server.statuses = [404]
    with pytest.raises(MissingResourceError, match="or put the file here yourself") as caught:
        weights_file(address(server).replace("#", "?key=secret#"))
    assert str(cache / f"{SHA256}.safetensors") in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GDP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "gdp" / "weights"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (f"http://example.org/w.safetensors#sha256={SHA256}", "only https addresses"),
        (f"https://example.org/w.pkl#sha256={SHA256}", "convert it with gdp convert"),
        ("https://example.org/w.safetensors", "add #sha256="),
        ("https://example.org/w.safetensors#sha256=abc", "add #sha256="),
    ],
)
def test_addresses_that_cannot_be_trusted_are_refused(weights: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_weights(weights)


def test_the_command_that_converts_is_told_ready_to_be_pasted() -> None:
    assert "`gdp convert 'my weights/ffhq.pkl' -o 'my weights/ffhq.safetensors'`" in refusal(
        Path("my weights/ffhq.pkl")
    )
    assert refusal(Path("w.onnx")) == "weights are the path of a .safetensors file, or the https address of one"
