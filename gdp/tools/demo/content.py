"""What the page of a student is made of: its files by name, for the server and for a folder alike. Imports no torch."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, readable_os_errors
from gdp.core.run_folder import RunFolder
from gdp.support.pages import BASE_STYLE
from gdp.support.picture_files import EVERYDAY_PIXELS, read_picture
from gdp.support.picture_finding import find_pictures
from gdp.tools.demo.runtime import ONNXRUNTIME_WEB
from gdp.tools.deploy.depth import FAR
from gdp.tools.deploy.limits import own_file, read_description
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.student_folder import DESCRIPTION
from gdp.tools.deploy.tiling import Sizes

Content = bytes | Path
"""Of a file of the page, or where it lies."""
PAGE = Path(__file__).with_name("page")
SCRIPTS = ("engines.js", "page.js", "pictures.js", "student.js", "style.css")
STUDENT = "student.onnx"
MOST_SAMPLES = 8
LARGEST_SAMPLE = 1024
"""Pixels of a side to which samples of a user's folder are scaled down."""
LARGE_MACS = 2e9
"""Multiply-accumulates a picture from which on a browser's GPU is taken first, where it has one: its start-up, for
which twice as much is loaded and compiled, is paid back after few pictures."""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; worker-src 'self' "
    "blob:; img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'"
)
"""What the page may load: its own files. No request of it can leave for anywhere else."""


@dataclass(frozen=True)
class Sample:
    """A picture that the page offers."""

    name: str
    """As a result of it is saved."""
    label: str
    png: bytes
    size: tuple[int, int]
    """Width and height in pixels."""


@dataclass(frozen=True)
class ServedBy:
    """What the page says of the engine of this machine."""

    engine: str
    runs_on: str
    aligned: tuple[str, str] | None = None
    """What an aligner finds, one and many; None where none is at hand."""


@dataclass(frozen=True)
class Demo:
    """One student's page."""

    name: str
    run: str
    """The student as a command names it, without folders: a page is published."""
    model: Model
    samples: Sequence[Sample] = ()
    samples_said: str = ""
    student: Path | None = None
    """The ONNX file; None where the browser's engine is left out."""
    engine: Mapping[str, Path] | None = None
    """Files of the browser's engine by name."""
    server: ServedBy | None = None
    parameters: int | None = None
    macs: int | None = None

    def files(self) -> dict[str, Content]:
        """Return the page's files, by path below its folder."""
        files: dict[str, Content] = {"index.html": self.page().encode()}
        files |= {name: PAGE / name for name in SCRIPTS} | {BASE_STYLE.name: BASE_STYLE}
        files |= {f"samples/{number}.png": sample.png for number, sample in enumerate(self.samples)}
        if self.student is not None and self.engine is not None:
            files[STUDENT] = self.student
            files |= {f"engine/{name}": path for name, path in self.engine.items()}
        return files

    def page(self) -> str:
        """Return the page's HTML."""
        samples = [
            {
                "file": f"samples/{number}.png",
                "name": sample.name,
                "label": sample.label,
                "width": sample.size[0],
                "height": sample.size[1],
            }
            for number, sample in enumerate(self.samples)
        ]
        data = json.dumps(self._data()).replace("<", "\\u003c")
        return _template().render(
            name=self.name,
            byline=self._byline(),
            policy=POLICY,
            samples=samples,
            samples_said=self.samples_said,
            browser=self.student is not None,
            server=None if self.server is None else _served(self.server),
            resolution=self.model.resolution,
            footer=self._footer(),
            data=Markup(data),  # noqa: S704 # JSON, whose < are escaped
        )

    def _data(self) -> dict[str, Any]:
        size = None if self.student is None else self.student.stat().st_size
        sizes = Sizes.of(self.model.size_multiple, self.model.resolution)
        return {
            "run": self.run,
            "browser": self.student is not None,
            "server": None if self.server is None else _served(self.server),
            "most_pixels": EVERYDAY_PIXELS,
            "far": FAR,
            "student": {
                "model": STUDENT,
                "resolution": self.model.resolution,
                "multiple": sizes.multiple,
                "smallest": sizes.smallest,
                "megabytes": None if size is None else round(size / 1e6, 1),
                "large": (self.macs or 0) >= LARGE_MACS,
            },
        }

    def _byline(self) -> str:
        shows = self.model.trained_on.shows if self.model.trained_on else None
        parts = [
            f"A student trained at {self.model.resolution} px" + (f" on {shows.words}" if shows else ""),
            f"{self.parameters / 1e6:.2g} million parameters" if self.parameters else "",
            "" if self.student is None else f"{self.student.stat().st_size / 1e6:.1f} MB",
        ]
        return " · ".join(filter(None, parts))

    def _footer(self) -> str:
        by = f"onnxruntime-web {ONNXRUNTIME_WEB.version} runs the student in this browser. " if self.student else ""
        return f"Made by gdp. {by}This page loads its own files alone: no picture and no request goes to anybody else."


def _served(server: ServedBy) -> dict[str, Any]:
    aligned = None if server.aligned is None else dict(zip(("one", "many"), server.aligned, strict=True))
    return {"engine": server.engine, "runs_on": server.runs_on, "aligned": aligned}


@cache
def _template() -> Template:
    loader = FileSystemLoader(PAGE)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("index.html.j2")


def sizes_of(folder: Path) -> tuple[int | None, int | None]:
    """Return a student's parameters and multiply-accumulates a picture, as its description says; None where it is not
    there or says none."""
    try:
        told = read_description(folder / DESCRIPTION)
    except CorruptFileError:
        return None, None
    values = (told.get(name) for name in ("parameters", "macs"))
    parameters, macs = (value if isinstance(value, int) and value > 0 else None for value in values)
    return parameters, macs


def samples_of_run(run: RunFolder) -> list[Sample]:
    """Return the sources of a run's held-out pairs, as its report shows them; none where it has no such pictures."""
    samples: list[Sample] = []
    for row in run.read_json("pictures/rows.json", []):
        source = row.get("pictures", {}).get("source") if isinstance(row, dict) else None
        path = run.path / source if isinstance(source, str) else None
        if path is None or not path.is_file() or run.path.resolve() not in path.resolve().parents:
            continue
        samples.append(_sample(path, f"sample {len(samples) + 1}"))
        if len(samples) == MOST_SAMPLES:
            break
    return samples


def samples_of_folder(folder: Path) -> list[Sample]:
    """Return the first pictures of a folder, by name, scaled down where they are large.

    Raises:
        MissingResourceError: there is no such folder, or no picture in it.
        CorruptFileError: a picture cannot be read.
    """
    files = find_pictures(folder, recursive=False)[:MOST_SAMPLES] if folder.is_dir() else []
    if not files:
        raise MissingResourceError(
            f"{folder}: there are no pictures (JPEG, PNG, WebP, ...) in this folder. Name another behind --samples, or "
            f"leave it out"
        )
    return [_sample(file, file.stem) for file in files]


def _sample(file: Path, name: str) -> Sample:
    picture = Image.fromarray(read_picture(file).on_white())
    picture.thumbnail((LARGEST_SAMPLE, LARGEST_SAMPLE))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return Sample(name, f"Take {name}", content.getvalue(), picture.size)


def write_static(demo: Demo, folder: Path) -> int:
    """Write the page as a folder that any web server can give to browsers.

    Args:
        demo: with the browser's engine, for there is no other.
        folder: is made; what an earlier demo left in it is replaced, and nothing else may be in it.

    Returns:
        Bytes that were written.

    Raises:
        GdpError: there are other files in the folder.
        DiskFullError, RunFolderError: it cannot be written.
    """
    files = demo.files()
    with readable_os_errors(folder):
        known = {"index.html", *SCRIPTS, BASE_STYLE.name, STUDENT, "samples", "engine"}
        strange = sorted(path.name for path in folder.iterdir() if path.name not in known) if folder.is_dir() else []
        if strange:
            raise GdpError(f"{folder}: other files are in this folder ({', '.join(strange[:3])}). Name a new one.")
        shutil.rmtree(folder / "samples", ignore_errors=True)
        for name, content in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(own_file(content) if content.name == STUDENT else content, place)
            else:
                place.write_bytes(content)
        return sum((folder / name).stat().st_size for name in files)
