"""The command; imported when it is called, and without torch, so that it answers at once."""

from pathlib import Path
from typing import Annotated

import gdp
import typer


def gallery(
    run: Annotated[Path, typer.Argument(help="The run folder.", show_default=False)],
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Tell where the page is that a run's stage gallery has written.

    Example: gdp gallery runs/faces --open
    """
    page = run / "gallery.html"
    if not page.is_file():
        raise gdp.GdpError(
            f'{page}: there is no such page. Add [[stages]] with plugin = "gallery" to the recipe, and run it again.'
        )
    typer.echo(str(page))
    if open_:
        typer.launch(str(page))
