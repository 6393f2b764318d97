"""`gdp recipes`, and `gdp recipes copy`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gdp.cli.common import State, with_short_paths
from gdp.cli.completion import complete_shipped_recipe
from gdp.console import print_json, print_line
from gdp.tools.recipe_list import ListedRecipe, copy_recipe, listed_recipes
from gdp.tools.schema import recipe_schema

recipes = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, invoke_without_command=True
)
INDENT = "    "


@recipes.callback()
def list_recipes(
    context: typer.Context,
    json_: Annotated[bool, typer.Option("--json", help="Print the recipes as JSON.")] = False,
) -> None:
    """Show the recipes that come with gdp: what each does, how long it takes and what it needs.

    Every command that takes a recipe takes such a name, too; a file of yours that is called so wins. Paths of yours in
    it count from where you are, and --set names others.

    Example: gdp recipes
    """
    if context.invoked_subcommand is not None:
        return
    state: State = context.find_root().obj
    found = listed_recipes(state.registry)
    if json_:
        print_json([recipe.data() for recipe in found])
        return
    for recipe in found:
        typer.echo(recipe.name)
        for line in _told(recipe):
            print_line(f"{INDENT}{line}")
    typer.echo()
    print_line(
        "Your own files are looked for where you are, by the name in brackets; --set KEY=PATH names others. "
        "gdp recipes copy NAME writes a recipe into a file of yours, to be changed."
    )


def _told(recipe: ListedRecipe) -> list[str]:
    about = recipe.about
    lines = [about.summary]
    if recipe.command != "run":
        lines.append(f"for gdp {recipe.command}")
    if about.takes:
        lines.append(f"takes {about.takes}")
    needs = [*(f"${name}" for name in recipe.environment), *(f"pip install '{it}'" for it in recipe.install)]
    needs += [about.needs] if about.needs else []
    if recipe.yours:
        needs.append("your own " + ", ".join(f"{key} ({path})" for key, path in recipe.yours.items()))
    if needs:
        lines.append(f"needs {'; '.join(needs)}")
    if recipe.yours is None:
        lines.append(f"cannot be used with the plugins that are here: gdp validate {recipe.name} tells why")
    return lines


@recipes.command("copy", short_help="Write one into a file of yours, with the schema for editors")
def copy(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="The recipe, as gdp recipes lists it.", show_default=False, autocompletion=complete_shipped_recipe
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file, or a folder for it; - prints it. Default: here, under the recipe's name."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Copy a recipe that comes with gdp into a file of yours, with the schema by which editors complete and check it.

    Example: gdp recipes copy stylegan-age -o my_recipe.toml
    """  # fmt: skip
    state: State = context.find_root().obj
    output = Path("/dev/stdout") if output == Path("-") else output
    copied = copy_recipe(name, output, state.registry, recipe_schema(state.registry), force=force)
    if json_:
        print_json({
            "recipe": str(copied.recipe), "schema": copied.schema and str(copied.schema), "name": copied.name,
            "command": copied.command, "yours": [file.data() for file in copied.yours],
        })  # fmt: skip
        return
    if copied.schema is None:
        return  # a pipe is read by a program, or is where this would be printed
    print_line(f"wrote {copied.recipe}, and {copied.schema.name} beside it for editors")
    where = f": its run goes to runs/{copied.name}" if copied.command == "run" else ""
    print_line(f"{INDENT}it is called {copied.name}{where}")
    for file in copied.yours:
        print_line(with_short_paths(f"{INDENT}{file.words(copied.recipe)}"))
    print_line(f"Next: gdp {copied.command} {shlex.quote(str(copied.recipe))}")
