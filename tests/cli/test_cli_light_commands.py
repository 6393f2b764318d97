"""The light commands: what they print, how they fail, and that none of them imports torch."""

import fcntl
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app, hoist_shared_options, name_defaults
from gdp.cli.describe import make_example
from gdp.cli.settings_help import describe_settings
from gdp.core.recipe.choices import SECTION_MODELS
from gdp.core.records import KINDS, PluginRecord
from gdp.registry import PluginRegistry
from gdp.registry.commands import built_in_commands

ROOT = Path(__file__).parents[2]
PACKAGES = sorted((ROOT / "tests" / "registry" / "packages").iterdir())
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
COMMANDS = tuple(built_in_commands())
BUILT_INS = [record for kind in KINDS for record in PluginRegistry.discover().records(kind)]


def gdp(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", "from gdp.cli import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **environment}
    )


def with_broken_plugins() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(map(str, PACKAGES))}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text((ROOT / "recipes" / "stylegan_age.toml").read_text())
    return path


@pytest.mark.process
def test_light_commands_import_no_torch_even_with_broken_plugins() -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from gdp.cli.app import app
for arguments in (["--help"], ["--version"], ["list-plugins"], ["list-plugins", "--json"], ["schema"], ["runs"],
                  ["describe", "filter", "sharpness"], ["describe", "teacher", "stylegan2"],
                  ["validate", "recipes/stylegan_age.toml"], ["validate", "nowhere.toml"],
                  *([command, "--help"] for command in {COMMANDS})):
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == (2 if "nowhere.toml" in arguments else 0), (arguments, result.output)
    heavy = {{"torch", "torchvision", "matplotlib", "torchmetrics"}} & set(sys.modules)
    assert not heavy, (arguments, heavy)
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, **with_broken_plugins()},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


@pytest.mark.process
def test_a_table_for_a_pipe_and_a_look_at_all_plugins_import_little() -> None:
    program = """
import sys
from typer.testing import CliRunner
from gdp.cli.app import app
assert CliRunner().invoke(app, ["list-plugins"], catch_exceptions=False).exit_code == 0
for name in ("rich.console", "jinja2", "httpx", "tomlkit", "numpy", "sqlite3", "filelock", "gdp.support.expressions"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=ROOT)


def test_plugins_are_described_by_their_names_alone_and_listed_by_kind() -> None:
    alone, whole = gdp("describe", "pix2pixhd"), gdp("describe", "student", "pix2pixhd")
    assert (alone.exit_code, alone.stdout) == (0, whole.stdout)
    listed = gdp("describe", "losses")
    names = PluginRegistry.discover().names("loss")
    assert [line.split()[0] for line in listed.stdout.splitlines()[:-1]] == names
    assert listed.stdout.splitlines()[-1] == "gdp describe loss NAME shows the settings of one"
    assert [row["name"] for row in json.loads(gdp("describe", "loss", "--json").stdout)] == names


def test_a_terminal_gets_a_fitted_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    lines = gdp("list-plugins").stdout.splitlines()
    assert "\x1b[1m" in lines[0], "bold headings"
    assert max(len(re.sub("\x1b[^m]*m", "", line).rstrip()) for line in lines if not line.startswith("\n")) <= 60


@pytest.mark.process
def test_broken_plugins_are_listed_with_reason_and_mend() -> None:
    result = process("list-plugins", **with_broken_plugins())
    assert result.returncode == 0, result.stderr
    for words in (
        "No module named 'a_module_that_is_not_installed'",
        "did you mean gdp_register_filters?",
        "unknown argument registry; allowed: register",
        "has the name of that of gdp-distill",
        "version 999 of the plugin interface",
        "pip uninstall gdp-wrong-version",
        "--no-plugin import-error",
    ):
        assert words in result.stdout


@pytest.mark.process
def test_strict_mode_is_one_paragraph_and_a_failure() -> None:
    result = process("list-plugins", GDP_STRICT_PLUGINS="1", **with_broken_plugins())
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: plugin ")
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_no_plugin_may_stand_before_or_behind_the_command() -> None:
    for arguments in (
        ["--no-plugin", "sharpness", "list-plugins", "--json"],
        ["list-plugins", "--json", "--no-plugin=sharpness"],
    ):
        rows = json.loads(gdp(*arguments).stdout)
        assert [row["status"] for row in rows if row["name"] == "sharpness"] == ["disabled"]
    result = gdp("list-plugins", "--no-plugin", "sharpnes")
    assert result.exit_code == 1
    assert "did you mean sharpness" in result.stderr
    assert hoist_shared_options(["validate", "--", "--no-plugin", "x"]) == ["validate", "--", "--no-plugin", "x"]


def test_the_plugin_table_has_a_line_for_each_plugin() -> None:
    lines = gdp("list-plugins").stdout.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "SUMMARY", "PACKAGE", "VERSION", "STATUS", "NEEDS", "LICENCE"]
    sharpness = next(line for line in lines if line.split()[:2] == ["filter", "sharpness"])
    assert "gdp-distill" in sharpness
    assert sharpness.endswith("Apache-2.0")


@pytest.mark.parametrize("record", BUILT_INS, ids=lambda record: f"{record.kind}-{record.name}")
def test_every_built_in_is_described_with_a_valid_example(record: PluginRecord) -> None:
    result = gdp("describe", record.kind, record.name)
    assert result.exit_code == 0
    for setting in describe_settings(record.config):
        assert f"  {setting.key}: " in result.stdout
        assert setting.help, f"{record.config.__name__}.{setting.key} has no docstring"
    settings = [setting for setting in describe_settings(SECTION_MODELS[record.kind]) if setting.key != "plugin"]
    text, problems = make_example(record, [*settings, *describe_settings(record.config)], PluginRegistry.discover())
    assert problems == []
    assert text.splitlines()[0] in result.stdout
    described = json.loads(gdp("describe", record.kind, record.name, "--json").stdout)
    assert tomllib.loads(described["example"]) == tomllib.loads(text)
    assert [setting["key"] for setting in described["settings"]] == list(record.config.model_fields)


def test_describe_takes_a_section_for_a_kind_and_helps_with_typing_errors() -> None:
    assert gdp("describe", "filters", "sharpness").stdout == gdp("describe", "filter", "sharpness").stdout
    assert "did you mean filter?" in gdp("describe", "filtre", "sharpness").stderr
    assert "did you mean sharpness?" in gdp("describe", "filter", "sharpnes").stderr


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_fit_the_schema(path: Path) -> None:
    result = gdp("validate", str(path))
    assert result.exit_code == 0, result.stderr
    assert "the recipe is valid" in result.stdout
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(gdp("schema").stdout)
    jsonschema.Draft202012Validator(schema).validate(tomllib.loads(path.read_text()))


def test_validate_shows_all_mistakes_with_lines(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("min_age =", "min_agee =").replace("seed =", "sead ="))
    result = gdp("validate", str(recipe), "--set", "train.batch=0")
    assert result.exit_code == 2
    assert "sead: unknown section, did you mean seed?" in result.stderr
    assert "filters[0].min_agee: unknown key, did you mean min_age?" in result.stderr
    assert "train.batch: must be at least 1, got 0 (given by --set)" in result.stderr
    assert "Traceback" not in result.stderr
    data = json.loads(gdp("validate", str(recipe), "--json").stdout)
    assert data["valid"] is False
    assert [mistake["where"] for mistake in data["mistakes"]] == ["sead", "filters[0].min_agee"]
    assert all(isinstance(mistake["line"], int) for mistake in data["mistakes"])


def test_validate_prints_the_resolved_recipe_as_json(recipe: Path) -> None:
    result = gdp("validate", str(recipe), "--json", "--set", "train.steps=3")
    data = json.loads(result.stdout)
    assert (data["valid"], data["command"]) == (True, "run")
    assert data["recipe"]["train"]["steps"] == 3


def test_schema_is_written_to_a_file_or_refused_in_a_sentence(tmp_path: Path) -> None:
    assert gdp("schema", "--output", str(tmp_path / "schema.json")).exit_code == 0
    assert json.loads((tmp_path / "schema.json").read_text()) == json.loads(gdp("schema").stdout)
    result = gdp("schema", "--output", str(tmp_path / "nowhere" / "schema.json"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def write_run(root: Path, name: str, stages: Any = None, **about: Any) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"name": name, **about}))
    if stages is not None:
        (folder / "stages.json").write_text(json.dumps(stages))
    return folder


def test_runs_tells_state_stages_and_time_of_each_run(tmp_path: Path) -> None:
    stages = {
        name: {"key": "k", "summary": {}, "seconds": seconds} for name, seconds in (("teacher", 1.5), ("pairs", 63.5))
    }
    write_run(tmp_path, "finished", stages, state="finished", updated_at="2026-01-02")
    write_run(tmp_path, "killed", state="running", updated_at="2026-01-01")
    held = write_run(tmp_path, "working", state="running", updated_at="2026-01-03")
    (write_run(tmp_path, "damaged") / "run.json").write_text("{")
    (tmp_path / "no-run").mkdir()
    with (held / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = json.loads(gdp("runs", "--root", str(tmp_path), "--json").stdout)
        table = gdp("runs", "--root", str(tmp_path)).stdout
    states = {row["name"]: row["state"] for row in rows}
    assert states == {"damaged": "unreadable", "killed": "killed", "finished": "finished", "working": "running"}
    assert rows[2]["stages"] == ["teacher", "pairs"]
    assert rows[2]["seconds"] == 65
    assert any(line.split()[:5] == ["finished", "finished", "teacher,", "pairs", "1:05"] for line in table.splitlines())
    assert "no runs in" in gdp("runs", "--root", str(tmp_path / "no-run")).stdout


def test_report_refuses_what_is_no_run_folder(tmp_path: Path) -> None:
    result = gdp("report", str(tmp_path))
    assert result.exit_code == 1
    assert "this is no run folder" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_in_its_help(command: str) -> None:
    assert f"Example: gdp {command}" in " ".join(gdp(command, "--help").stdout.split())


@pytest.mark.process
def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from gdp.cli import main; main()", "schema"]
    with os.fdopen(writing, "wb") as output:
        result = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False, cwd=ROOT)
    assert (result.returncode, result.stderr) == (141, b"")


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PluginRegistry, "discover", interrupt)
    result = gdp("list-plugins")
    assert result.exit_code == 130
    assert result.stderr.strip() == "stopped; run the same command again to go on"


@pytest.mark.parametrize(
    "command", [("find-direction",), ("estimate", "stylegan-age"), ("doctor",)], ids=lambda it: it[0]
)
def test_an_interrupt_of_what_keeps_nothing_does_not_say_that_it_goes_on(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PluginRegistry, "discover", interrupt)
    result = gdp(*command)
    assert result.exit_code == 130
    assert result.stderr.strip() == "stopped; nothing is kept of it, paid answers aside: the same command begins anew"


def test_report_and_demo_take_the_newest_run_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("report", "demo"):
        assert "runs: there is no run here" in gdp(name).stderr
    (tmp_path / "runs").mkdir()
    write_run(tmp_path / "runs", "older", updated_at="2026-01-01")
    write_run(tmp_path / "runs", "newer", updated_at="2026-01-02")
    told = gdp("report")
    assert (told.stderr, told.stdout) == ("the newest run: runs/newer\n", "runs/newer/report.html\n")
    assert "no run here with a trained student" in gdp("demo").stderr
    assert "runs/newer: this run has no trained student yet. gdp run runs/newer goes on" in gdp("demo", "newer").stderr
    (tmp_path / "runs/older/student").mkdir()
    (tmp_path / "runs/older/student/student.safetensors").touch()
    assert gdp("demo").stderr.startswith("the newest run: runs/older\n")


@pytest.mark.process
def test_names_that_the_terminal_cannot_print_are_escaped() -> None:
    result = process("validate", "nö\udcff.toml", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "no such file" in result.stderr


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["apply", "RUN", "a.png", "--align"], ["apply", "RUN", "a.png", "--align", "auto"]),
        (["apply", "RUN", "--align", "a.JPG", "b.png"], ["apply", "RUN", "--align", "auto", "a.JPG", "b.png"]),
        (["apply", "RUN", "--align", "."], ["apply", "RUN", "--align", "auto", "."]),
        (["apply", "RUN", "--align", "x.mp4"], ["apply", "RUN", "--align", "auto", "x.mp4"]),
        (["apply", "RUN", "a.png", "--align", "x.onnx"], ["apply", "RUN", "a.png", "--align", "x.onnx"]),
        (["apply", "RUN", "a.png", "--align", ""], ["apply", "RUN", "a.png", "--align", ""]),
        (
            ["--plugins-dir", "here", "apply", "RUN", "a.png", "--align"],
            ["--plugins-dir", "here", "apply", "RUN", "a.png", "--align", "auto"],
        ),
        (["bench", "RUN", "--align"], ["bench", "RUN", "--align"]),
    ],
)
def test_an_option_that_may_stand_alone_takes_no_picture_for_its_value(written: list[str], meant: list[str]) -> None:
    assert name_defaults(written) == meant
