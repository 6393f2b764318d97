"""The built-in commands, registered as a plugin's are: each is a name, a summary, and where its function stands.

By purpose, and in the order in which `gdp --help` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping

from gdp import RegisterCommand, hookimpl

_COMMANDS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "Recipes": (
        ("recipes", "gdp.cli.recipes:recipes", "Show the recipes that come with gdp, and copy one"),
        ("new-recipe", "gdp.cli.new_recipe:new_recipe", "Ask what a recipe needs, and write a valid one"),
        ("validate", "gdp.cli.validate:validate", "Check a recipe and show all its mistakes"),
        ("schema", "gdp.cli.schema:schema", "Print the JSON Schema of recipes, for editors"),
    ),
    "Runs": (
        ("estimate", "gdp.cli.estimate:estimate", "Tell what a run will take in time, memory and money"),
        ("run", "gdp.cli.run:run", "Make the pairs, train a student, and measure it"),
        ("runs", "gdp.cli.runs:runs", "Show which runs are here, and their state"),
        ("watch", "gdp.cli.watch:watch", "Watch a run from another terminal"),
        ("pairs", "gdp.cli.pairs:pairs", "Show a run's pairs, their scores and their pictures"),
        ("filter", "gdp.cli.filter:filter_", "Judge a run's pairs by other thresholds"),
        ("compare", "gdp.cli.compare:compare", "Compare runs: recipes, numbers, pictures side by side"),
        ("report", "gdp.cli.report:report", "Make a run's report again from what its folder holds"),
    ),
    "A trained student": (
        ("apply", "gdp.cli.apply:apply", "Translate pictures and videos by a trained student"),
        ("demo", "gdp.cli.demo:demo", "Try a trained student on a web page"),
        ("bench", "gdp.cli.bench:bench", "Time teacher, slow route and student in all engines"),
        ("prune", "gdp.cli.prune:prune", "Take channels out of a student and train the rest"),
        ("export", "gdp.cli.export:export", "Write a trained student for another engine"),
        ("push", "gdp.cli.push:push", "Publish a trained student on the Hugging Face Hub"),
    ),
    "Teachers and data": (
        ("train-teacher", "gdp.cli.train_teacher:train_teacher", "Train a teacher on pictures"),
        ("convert", "gdp.cli.convert:convert", "Convert another program's weights to .safetensors"),
        (
            "find-direction",
            "gdp.cli.find_direction:find_direction",
            "Find a direction in a teacher's latent space",
        ),
        ("fetch-data", "gdp.cli.fetch_data:fetch_data", "Download a public set of pictures"),
        ("make-judge", "gdp.cli.make_judge:make_judge", "Make a judge of photographed faces"),
        (
            "azure-face-emulator",
            "gdp.cli.azure_face_emulator:azure_face_emulator",
            "Emulate the Azure Face service on this machine",
        ),
    ),
    "This installation": (
        ("doctor", "gdp.cli.doctor:doctor", "Look at this machine, or at every file of a run"),
        ("list-plugins", "gdp.cli.list_plugins:list_plugins", "Show which plugins there are, and which cannot work"),
        ("describe", "gdp.cli.describe:describe", "Show what a plugin does, its settings and an example"),
        ("new-plugin", "gdp.cli.new_plugin:new_plugin", "Write a package with a plugin that works"),
    ),
}

PURPOSES: Mapping[str, tuple[str, ...]] = {
    purpose: tuple(name for name, _, _ in commands) for purpose, commands in _COMMANDS.items()
}
"""The names of the built-in commands by what they are for."""


@hookimpl
def gdp_register_commands(register: RegisterCommand) -> None:
    """Register the commands."""
    for commands in _COMMANDS.values():
        for name, implementation, summary in commands:
            register(name, implementation=implementation, summary=summary)
