"""Files that come with a package: weights, directions."""

from __future__ import annotations

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
