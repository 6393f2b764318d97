"""The stage itself; imported when a run builds it."""

import hashlib
import html
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gdp
from gdp.toolbox import find_pictures, read_picture, write_atomically
from PIL import Image

from gdp_stage_gallery.config import GalleryConfig

NAME = "gallery"
PAGE = "gallery.html"


class GalleryStage(gdp.Stage[gdp.Run]):
    """Translates the pictures of a folder one by one, and writes a page that shows them beside what became of them.

    A translation is a file of its own, written whole, in a folder that is called after the stage's content key: a run
    that was stopped or killed goes on with the next picture, and another student's translations are never taken for
    this one's.

    Raises:
        MissingResourceError: there are no pictures.
    """

    config: GalleryConfig

    def __init__(self, config: GalleryConfig, context: gdp.BuildContext) -> None:
        super().__init__(config, context)
        self._pictures = find_pictures(config.pictures, recursive=False) if config.pictures.is_dir() else []
        if not self._pictures:  # told before the run begins, not when all is trained
            raise gdp.MissingResourceError(
                f"gallery: there are no pictures in {config.pictures}. Put some there, or mend the setting pictures."
            )

    def key(self, run: gdp.Run, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on beside the settings: the student, and the pictures with their names."""
        pictures = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self._pictures}
        return {"export": keys["export"], "pictures": pictures}

    def execute(self, run: gdp.Run) -> Mapping[str, Any]:
        """Translate the pictures that are not translated yet, and write the page.

        Raises:
            Stopped: the user asked to stop; what is translated stays.
            CorruptFileError: a file is no picture.
            ShapeError: a picture is too small for the student, or the student takes two pictures at once.
        """
        waiting = [path for path in self._pictures if not self._place(run, path).is_file()]
        student = gdp.load(run.student_folder, device=str(run.device))
        done = len(self._pictures) - len(waiting)
        with run.progress.task(NAME, len(self._pictures), "picture", done=done) as task:
            for path in waiting:
                if run.stop_requested():
                    raise gdp.Stopped
                picture = Image.fromarray(read_picture(path).on_white())
                picture.thumbnail((self.config.longest_side, self.config.longest_side))
                write_atomically(self._place(run, path), beside(picture, student(picture)))
                task.advance()
        write_atomically(run.path / PAGE, self._page(run).encode())
        return {"page": PAGE, "pictures": len(self._pictures)}

    def is_there(self, run: gdp.Run) -> bool:
        """Say whether page and pictures are still there."""
        return all(path.is_file() for path in (run.path / PAGE, *(self._place(run, path) for path in self._pictures)))

    def reset(self, run: gdp.Run, first: str) -> None:
        """Throw the translations away: the user wants them made again."""
        shutil.rmtree(self._folder(run), ignore_errors=True)

    def _folder(self, run: gdp.Run) -> Path:
        return run.path / NAME / run.keys[NAME][:12]

    def _place(self, run: gdp.Run, picture: Path) -> Path:
        return self._folder(run) / f"{picture.name}.png"

    def _page(self, run: gdp.Run) -> str:
        """Return the page; it names pictures relative to itself, so that the run's folder may move."""
        figures = []
        for picture in self._pictures:
            source = quote(self._place(run, picture).relative_to(run.path).as_posix())
            figures.append(f'<figure><img src="{source}"><figcaption>{html.escape(picture.name)}</figcaption></figure>')
        title = html.escape(f"{run.data()['name']}: before and after")
        head = f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>'
        return "\n".join([head, *figures, ""])


def beside(first: Image.Image, second: Image.Image) -> bytes:
    """Return two pictures of one height, the second to the right of the first, as a PNG."""
    both = Image.new("RGB", (first.width + second.width, first.height))
    both.paste(first, (0, 0))
    both.paste(second, (first.width, 0))
    buffer = io.BytesIO()
    both.save(buffer, format="PNG")
    return buffer.getvalue()
