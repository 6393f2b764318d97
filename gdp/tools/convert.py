"""Convert a foreign file of weights: read it without running it, find its layout, write what gdp's plugins load.

torch is imported when the file is there and its target is free.

Beside each .safetensors file stands a card of the same name in JSON: what it was, its hash, the architecture, what was
left out, how to use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.core.building import blame_of, class_of, describe_plugin
from gdp.core.errors import (
    CorruptFileError,
    GdpError,
    MissingResourceError,
    PluginError,
    RunFolderError,
    named_by_option,
)
from gdp.core.files import write_atomically
from gdp.core.progress import Progress
from gdp.core.records import PlainRecord, Plugins
from gdp.core.run.versions import versions
from gdp.core.written_through import is_special

if TYPE_CHECKING:
    from torch import Tensor

    from gdp.support.foreign import ForeignFile
    from gdp.support.foreign.converter import Converted, Converter

CARD = "gdp-converted-1"
LICENCE = (
    "unknown: weights have a licence of their own, which no file tells. Look it up where the file came from before you "
    "use or publish what is made with it; NVIDIA's, for one, are for non-commercial use."
)
_MEGABYTE = 1_000_000
_CHUNK = 2**22
_NAMED = 12
_FROM, _PART = "converted_from", "converted_part"
"""In a file's metadata: the hash of the one that it was converted from, and which part of it."""


@dataclass(frozen=True)
class Conversion:
    """One file that was written."""

    path: Path
    card: Mapping[str, Any]


def convert(
    source: Path,
    converters: Plugins,
    progress: Progress,
    *,
    target: Path | None = None,
    layout: str | None = None,
    key: str | None = None,
    overwrite: bool = False,
) -> list[Conversion]:
    """Convert a file; a second network in it, such as a discriminator, gets a file of its own.

    Args:
        target: the .safetensors file to write; None for the same name beside the source.
        layout: name of the converter; None for the one that recognises the file.
        key: which network of a checkpoint of several, as a message names them; None for the one that is recognised.
        overwrite: whether files that are there may be replaced.

    Raises:
        CorruptFileError: it cannot be read, or holds no known layout; the message says what it holds.
        PluginNotFoundError: there is no converter of that name.
        PluginError: the converter failed.
        RunFolderError, DiskFullError: the target is there already, or cannot be written.
    """
    target = source.with_suffix(".safetensors") if target is None else target
    if target.suffix != ".safetensors":
        raise RunFolderError(f"{target}: the new file's name must end in .safetensors.")
    _check_free([target], overwrite)
    if layout is not None:
        with named_by_option():
            converters.get("converter", layout)  # a name that is not known is told at once
    if not source.is_file():
        raise MissingResourceError(f"{source}: there is no such file.")
    from gdp.support.foreign import read_foreign

    file, part, record, converter = _choose(read_foreign(source), converters, layout, key, progress)
    try:
        converted = converter.convert(file, progress)
    except CorruptFileError as error:
        raise CorruptFileError(f"{source}: it cannot be converted as {record.name}: {_one_line(error)}") from error
    except PluginError as error:
        raise PluginError(f"{source}: it is damaged, or cannot be converted by {_one_line(error)}") from error
    sha256 = _hash(source, progress)
    found = {"name": source.name, "sha256": sha256, "bytes": source.stat().st_size, "layout": file.layout}
    parts = {target: converted}
    for word, other in converted.beside.items():
        parts[target.with_name(f"{target.stem}.{word}.safetensors")] = other
    origin = {_FROM: sha256, "converter": record.name, **({} if part is None else {_PART: part})}
    _check_free(list(parts), overwrite, origin)
    # The named file comes last: as long as it lacks its card, the conversion has not ended, and goes on when repeated.
    written = [_write(path, parts[path], origin, record, found, progress) for path in reversed(parts)]
    return written[::-1]


def describe_content(content: object) -> str:
    """Say in a few words what a foreign file holds."""
    from gdp.support.foreign import ForeignObject, as_tensor, printable

    tensor = as_tensor(content)
    if tensor is not None:
        return f"one array of the shape {tuple(tensor.shape)}"
    if isinstance(content, dict):
        names = [printable(str(name)[:200]) if isinstance(name, str | int) else type(name).__name__ for name in content]
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        return f"a dictionary of {', '.join(names[:_NAMED]) or 'nothing'}{more}"
    if isinstance(content, ForeignObject):
        return f"an object of the class {printable(content.name)}"
    if isinstance(content, list | tuple):
        kinds = sorted(
            {printable(item.name) if isinstance(item, ForeignObject) else type(item).__name__ for item in content}
        )
        return f"a row of {len(content):,} values ({', '.join(kinds[:_NAMED])})"
    return f"a {type(content).__name__}"


def _choose(
    file: ForeignFile, converters: Plugins, layout: str | None, key: str | None, progress: Progress
) -> tuple[ForeignFile, str | None, PlainRecord, Converter]:
    """Return the file, or the part of it that holds a network and that part's name, and what converts it."""
    from gdp.support.foreign import parts_of

    def parts_in(whole: ForeignFile) -> dict[str, ForeignFile]:
        return {name: replace(whole, content=part) for name, part in parts_of(whole.content).items()}

    if key is not None:
        parts = parts_in(file)
        if key not in parts:
            raise CorruptFileError(f"{_holds(file)}. There is no {key!r} in it; --key takes {_named(parts)}.")
        file = parts[key]
    if layout is not None:
        record = converters.get("converter", layout)
        return file, key, record, _made(converters, record)
    found = _recognised(file, converters, progress)
    parts = parts_in(file) if key is None and not found else {}
    if not found:
        inner = {name: hits for name, part in parts.items() if (hits := _recognised(part, converters, progress))}
        outermost = [name for name in inner if not any(name.startswith(f"{other}.") for other in inner)]
        if len(outermost) > 1:
            told = "; ".join(f"--key {name} ({' or '.join(hit.name for hit, _ in inner[name])})" for name in outermost)
            raise CorruptFileError(f"{_holds(file)}. It has several networks: say which to convert, with {told}.")
        if outermost:
            progress.message(f"taking {outermost[0]} of {file.path.name}")
            key = outermost[0]
            file, found = parts[key], inner[key]
    if len(found) == 1:
        return file, key, *found[0]
    if found:
        choices = " or ".join(f"--as {record.name}" for record, _ in found)
        raise CorruptFileError(f"{_holds(file)}. It may be of several layouts: say which it is, with {choices}.")
    records = converters.records("converter")
    known = "; ".join(record.summary for record in records)
    further = f" A network a level down is named with --key: {_named(parts)}." if parts else ""
    raise CorruptFileError(
        f"{_holds(file)}. That is no layout that is known here. Known are: {known or 'none'}.{further} Why it is none "
        f"of one kind says --as KIND."
    )


def _recognised(file: ForeignFile, converters: Plugins, progress: Progress) -> list[tuple[PlainRecord, Converter]]:
    found = []
    for record in converters.records("converter"):
        try:
            converter = _made(converters, record)
            recognised = converter.recognise(file)
        except GdpError as error:  # one third party's converter must not keep the others from working
            progress.message(f"left out: {_one_line(error)}")
            continue
        if recognised:
            found.append((record, converter))
    return found


def _holds(file: ForeignFile) -> str:
    return f"{file.path}: a {file.layout} with {describe_content(file.content)}"


def _named(parts: Mapping[str, object]) -> str:
    from gdp.support.foreign import printable

    names = [printable(name[:200]) for name in parts]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "") or "nothing"


def _made(converters: Plugins, record: PlainRecord) -> Converter:
    kind = class_of(converters, record)
    with blame_of(record)(describe_plugin(record)):
        converter: Converter = kind()
    return converter


def _write(
    path: Path,
    converted: Converted,
    origin: Mapping[str, str],
    record: PlainRecord,
    source: Mapping[str, Any],
    progress: Progress,
) -> Conversion:
    import torch

    from gdp.support.foreign import printable

    tensors = converted.tensors
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise CorruptFileError(f"{source['name']}: {printable(broken[0])} holds NaN or infinite values.")
    metadata = {**converted.metadata, **origin}
    through = is_special(path)  # a device or a pipe: it cannot be read again, and no card stands beside it
    sha256, size = _write_tensors(path, tensors, dict(sorted(metadata.items())), progress, through)
    card = {
        "format": CARD,
        "what": converted.what,
        "file": path.name,
        "sha256": sha256,
        "tensors": len(tensors),
        "bytes": size,
        "source": dict(source),
        "converter": {"name": record.name, "package": record.package, "version": record.version},
        "architecture": dict(converted.architecture),
        "use": converted.use.replace("{file}", path.name),
        "licence": LICENCE,
        "dropped": list(converted.dropped),
        "remarks": list(converted.remarks),
        "gdp": versions()["gdp-distill"],
    }
    if not through:
        write_atomically(path.with_suffix(".json"), json.dumps(card, indent=2, allow_nan=False).encode())
    return Conversion(path, card)


def _write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], progress: Progress, through: bool
) -> tuple[str, int]:
    """Write a safetensors file; return its hash and its size in bytes."""
    from gdp.core.tensor_file import encode_tensors, write_tensors

    if through:
        content = encode_tensors(tensors, metadata)
        write_atomically(path, content)
        return hashlib.sha256(content).hexdigest(), len(content)
    write_tensors(path, tensors, metadata, progress)
    return _hash(path, progress), path.stat().st_size


def _check_free(targets: Sequence[Path], overwrite: bool, origin: Mapping[str, str] | None = None) -> None:
    """Make sure that nothing is written over but what a conversion left that did not end, of the same origin if given.

    Args:
        origin: file, part and converter, as a converted file's metadata have them.
    """
    for target in targets:
        if overwrite or not target.exists():
            continue
        begun = {} if origin is None and target.with_suffix(".json").exists() else _origin(target)
        if not begun or origin not in (None, begun):
            raise RunFolderError(f"{target} is there already: name another file with -o, or pass --overwrite.")


def _origin(path: Path) -> dict[str, str]:
    """Return from what a file was converted; nothing where it does not say so."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        return {}
    return (
        {name: metadata[name] for name in (_FROM, "converter", _PART) if name in metadata} if _FROM in metadata else {}
    )


def _hash(path: Path, progress: Progress) -> str:
    digest, size = hashlib.sha256(), path.stat().st_size
    told = done = 0
    try:
        with path.open("rb") as file, progress.task(f"hashing {path.name}", max(1, size // _MEGABYTE), "MB") as task:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                task.advance(done // _MEGABYTE - told)
                told = done // _MEGABYTE
    except OSError as error:
        raise MissingResourceError(f"{path}: this file cannot be read ({error.strerror or error}).") from error
    return digest.hexdigest()


def _one_line(error: Exception) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in str(error))
