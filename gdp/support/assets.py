"""Files that come with a package: weights, directions.

A picture inside of a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gdp.core.errors import MissingResourceError


def packaged_asset(package: str, name: str, mend: str) -> Path:
    """Return a file of a package's folder `assets`.

    Args:
        package: such as `gdp.plugins.directions`.
        name: of the file.
        mend: what makes another one, as a part of a sentence: "train them with `gdp train-teacher ...`".

    Raises:
        MissingResourceError: it is not there.
    """
    path = Path(str(resources.files(package) / "assets" / name))
    if not path.is_file():
        raise MissingResourceError(f"{path}: this built-in file is not there. Install gdp again, or {mend}.")
    return path


PIXELATED_UP_TO = 160
"""Pictures up to this width in pixels are enlarged without smoothing, so that what is seen is what was made."""


@dataclass(frozen=True)
class EmbeddedPicture:
    """One picture as a data URI; width and height in pixels."""

    label: str
    uri: str
    width: int
    height: int

    @property
    def pixelated(self) -> bool:
        """Say whether it is small enough to be enlarged without smoothing."""
        return self.width <= PIXELATED_UP_TO
