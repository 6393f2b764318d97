"""Files of npm packages: downloaded once, and used only when archive and files are those that were pinned."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from archive_server import IMPATIENT, ArchiveServer

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.downloads.npm import REGISTRY_VARIABLES, NpmPackage, npm_files

Serve = Callable[..., ArchiveServer]
FILES = {"dist/run.mjs": b"export {};", "dist/run.wasm": bytes(range(256)) * 40}
WANTED = ("dist/run.mjs", "dist/run.wasm")


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return an archive as the registry has it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def package_of(archive: bytes, files: Mapping[str, bytes] = FILES) -> NpmPackage:
    """Return the record of a package with that archive."""
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    return NpmPackage("tiny", "1.2.3", integrity, {name: hashlib.sha256(files[name]).hexdigest() for name in WANTED})


ARCHIVE = packed(FILES | {"README.md": b"more than is used", "../../harm.txt": b"x"})


def fetch(package: NpmPackage, cache: Path) -> dict[str, Path]:
    return npm_files(package, cache, advice="do without it", patience=IMPATIENT)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def names_in(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir() if not path.name.startswith(".")}


def test_only_the_files_that_are_used_are_kept_and_downloaded_once(
    serve: Serve, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(ARCHIVE)
    monkeypatch.setenv("npm_config_registry", f"{server.url}/")
    for _ in range(2):
        found = fetch(package_of(ARCHIVE), cache)
        assert {name: path.read_bytes() for name, path in found.items()} == {
            "run.mjs": FILES["dist/run.mjs"],
            "run.wasm": FILES["dist/run.wasm"],
        }
    assert len(server.asked) == 1
    assert names_in(cache) == {"tiny-1.2.3"}
    assert {path.name for path in (cache / "tiny-1.2.3").iterdir()} == {"run.mjs", "run.wasm"}


def test_a_changed_file_of_the_cache_is_downloaded_again(
    serve: Serve, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", serve(ARCHIVE).url)
    changed = fetch(package_of(ARCHIVE), cache)["run.mjs"]
    changed.write_text("harm()")
    assert fetch(package_of(ARCHIVE), cache)["run.mjs"].read_bytes() == FILES["dist/run.mjs"]


def test_another_archive_than_was_pinned_is_never_used(
    serve: Serve, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", serve(packed(FILES | {"dist/run.mjs": b"harm()"})).url)
    with pytest.raises(CorruptFileError, match=r"this is not tiny 1\.2\.3 as it was published: .* has been removed"):
        fetch(package_of(ARCHIVE), cache)
    assert names_in(cache) == set()


@pytest.mark.parametrize(
    ("files", "words"),
    [(FILES | {"dist/run.mjs": b"another"}, "run.mjs in it is not what"), ({"dist/run.wasm": b""}, "not what|lacks")],
)
def test_an_archive_whose_files_are_others_is_never_used(
    files: dict[str, bytes], words: str, serve: Serve, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(files)
    monkeypatch.setenv("npm_config_registry", serve(archive).url)
    package = replace(package_of(ARCHIVE), integrity=package_of(archive, FILES).integrity)
    with pytest.raises(CorruptFileError, match=words):
        fetch(package, cache)
    assert not (cache / "tiny-1.2.3").exists()


def test_without_a_network_it_is_said_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(MissingResourceError) as told:
        fetch(package_of(ARCHIVE), cache)
    assert "could not be downloaded" in str(told.value)
    assert f"npm pack tiny@1.2.3 fetches it): {cache / 'tiny-1.2.3.tgz'}; or do without it" in str(told.value)


def test_an_archive_that_somebody_put_there_is_taken_and_left(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    cache.mkdir()
    (cache / "tiny-1.2.3.tgz").write_bytes(ARCHIVE)
    assert fetch(package_of(ARCHIVE), cache)["run.wasm"].read_bytes() == FILES["dist/run.wasm"]
    assert names_in(cache) == {"tiny-1.2.3", "tiny-1.2.3.tgz"}


def test_npm_is_asked_for_the_registry_and_without_npm_it_is_told_what_to_do(
    serve: Serve, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in REGISTRY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingResourceError, match=r"NPM_CONFIG_REGISTRY.*npm pack tiny@1\.2\.3.*do without it"):
        fetch(package_of(ARCHIVE), cache)
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho {serve(ARCHIVE).url}/\n")
    npm.chmod(0o755)
    assert set(fetch(package_of(ARCHIVE), cache)) == {"run.mjs", "run.wasm"}
