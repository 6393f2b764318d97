"""`gdp push`. It imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.completion import complete_run
from gdp.console import print_json, print_line, print_table
from gdp.core.records import KINDS
from gdp.tools.publish import HUB_VARIABLE

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry
    from gdp.tools.publish.hub import Pushed
    from gdp.tools.publish.parcel import Parcel


def push(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(
            help="The run, or the folder of a trained student.", show_default=False, autocompletion=complete_run
        ),
    ],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Of the hub.", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Nobody else may see the repository.")] = False,
    with_: Annotated[
        str, typer.Option("--with", metavar="ENGINES", help="Exports that go along, as onnx,openvino.")
    ] = "",
    licence: Annotated[
        str | None,
        typer.Option("--licence", metavar="ID", help="For the card's header, as cc-by-nc-4.0. Default: as it stands."),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            "--base-model", metavar="OWNER/NAME", help="Of the teacher, where the hub has it. For the header."
        ),
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Send the picture of what it makes along; people may be in it.")
    ] = False,
    token_from: Annotated[
        str, typer.Option("--token-from", metavar="VARIABLE", help="Environment variable that holds the token.")
    ] = HUB_VARIABLE,
    message: Annotated[
        str, typer.Option("--message", "-m", help="Of the commit.")
    ] = "Upload of a student distilled by gdp",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show what would be sent; send nothing.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what was sent as JSON.")] = False,
) -> None:
    """Publish a trained student on the Hugging Face Hub: weights, description and model card, in one commit.

    Nothing is sent that holds a path of a machine or a key, and pictures only with --samples.

    Example: gdp push runs/stylegan-age ada/stylegan-age --with onnx
    """
    from gdp.core.errors import GdpError
    from gdp.tools.deploy.models import find_model
    from gdp.tools.publish.hub import Request, prepare
    from gdp.tools.publish.hub import push as publish

    registry: PluginRegistry = context.obj.registry
    place = find_model(run)
    if place.file is not None:
        raise GdpError(
            f"{run}: this is one exported file; name the run whose student to publish, and --with its engine"
        )
    keys = {name for kind in KINDS for record in registry.records(kind) for name in record.needs.environment}
    engines = [name.strip() for name in with_.split(",") if name.strip()]
    request = Request(
        place.folder, repository, private, engines, licence, token_from, message, samples, base_model, keys
    )
    if dry_run:
        parcel, pushed = prepare(request), None
    else:
        parcel, pushed = publish(request, lambda text: typer.echo(text, err=True))
    if json_:
        print_json(_to_data(repository, parcel, pushed))
    else:
        _print(repository, parcel, pushed)


def _to_data(repository: str, parcel: Parcel, pushed: Pushed | None) -> dict[str, object]:
    return {
        "repository": repository,
        "url": pushed.url if pushed else None,
        "commit": pushed.commit if pushed else None,
        "files": [{"name": part.name, "bytes": len(part.content)} for part in parcel.parts],
        "licence": parcel.licence,
        "licence_text": parcel.licence_text,
        "licence_is_known": parcel.licence_is_known,
    }


def _print(repository: str, parcel: Parcel, pushed: Pushed | None) -> None:
    print_table(("FILE", "SIZE"), [(part.name, f"{len(part.content) / 1e6:.3f} MB") for part in parcel.parts])
    print_line(f"the card's licence is {parcel.licence or 'not stated'}. It says: {parcel.licence_text or 'nothing'}")
    if not parcel.licence_is_known:
        typer.echo(
            "warning: gdp does not know under which licence the teacher's weights are. Whoever takes this student is "
            "bound by it: find it out, and state it with --licence",
            err=True,
        )
    if pushed is None:
        typer.echo(f"nothing was sent; {repository} would get these files in one commit")
    else:
        typer.echo(f"{pushed.url}: commit {pushed.commit[:12]}")
