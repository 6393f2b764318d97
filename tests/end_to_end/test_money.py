"""Money: whatever plugin pays, no call crosses the limit, none is forgotten, and a spent budget leaves "not yet"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import gdp_command
from tiny_world import make_tiny_world

PLUGINS = '''\
"""paying.py: plugins of each kind that pay 0.002 $ a call."""

import os

import gdp

PRICE = 0.002


class PayingConfig(gdp.Config):
    max_calls: int | None = None
    limit: float = 0.5


@gdp.hookimpl
def gdp_register_filters(register):
    forms = {"paying": "Judge", "paying-scores": "Scorer", "counting": "Counting", "foretelling": "Foretelling"}
    for name, form in forms.items():
        register(name, config=PayingConfig, implementation=f"paying:{form}", summary="Pays for each pair")


@gdp.hookimpl
def gdp_register_pair_sources(register):
    register("paying-pairs", config=PayingConfig, implementation="paying:Source", summary="Pays for each pair")
    register("paying-taught", config=PayingConfig, implementation="paying:Taught", summary="Asks the teacher")
    register("honest-pairs", config=PayingConfig, implementation="paying:Honest", summary="Says what it pays")


@gdp.hookimpl
def gdp_register_teachers(register):
    register("paying-teacher", config=PayingConfig, implementation="paying:make_teacher", summary="Foretells nothing")


def __getattr__(name):
    if name != "make_teacher":
        raise AttributeError(name)
    from gdp.testing.examples import TinyLatentTeacher

    class Teacher(TinyLatentTeacher):
        def synthesize(self, ws):
            for _ in ws:
                pay(self, "teacher")
            return super().synthesize(ws)

    return Teacher


@gdp.hookimpl
def gdp_register_evaluators(register):
    register("paying-measure", config=PayingConfig, implementation="paying:Measure", summary="Pays for a number")


def pay(plugin, name):
    quota = os.environ.get("QUOTA")
    limit = plugin.config.max_calls if quota is None else int(quota)
    with plugin.context.answers.paid_call(name, PRICE, max_calls=limit):
        with open(os.environ["ASKED"], "a") as file:
            file.write(name + "\\n")


class Judge(gdp.Filter):
    def judge(self, pairs):
        verdicts = []
        for index in pairs.indices:
            try:
                pay(self, "judge")
                verdicts.append(gdp.Verdict.keep(seen=index))
            except gdp.BudgetError as error:
                verdicts.append(gdp.NotYet(str(error)))
        return verdicts


class Foretelling(Judge):
    def forecast(self, pairs, sources=1):
        return gdp.Forecast(calls=pairs, dollars=pairs * PRICE)


class Scorer(gdp.ScoringFilter):
    def score(self, pairs):
        raise NotImplementedError

    def score_stream(self, batches):
        for pairs in batches:
            for index in pairs.indices:
                pay(self, "score")
                yield {index: {"seen": index}}

    def decide(self, scores):
        return {index: gdp.Verdict.keep(**row) for index, row in scores.items()}


class Counting(gdp.Filter):
    def judge(self, pairs):
        return [gdp.Verdict.keep() for _ in pairs.indices]


class Source(gdp.PairSource):
    resolution = 16

    def make(self, indices):
        import torch
        for index in indices:
            pay(self, "pairs")
        pictures = torch.stack([torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(i)) for i in indices])
        records = [gdp.PairRecord(index=index, seed=0) for index in indices]
        return gdp.PairBatch(list(indices), pictures, -pictures, records)


class Taught(Source):
    resolution = 32

    def make(self, indices):
        ws = self.context.teacher.map(self.context.teacher.sample_z(0, indices))
        pictures = self.context.teacher.synthesize(ws)
        records = [gdp.PairRecord(index=index, seed=0) for index in indices]
        return gdp.PairBatch(list(indices), pictures, -pictures, records)


class Honest(Source):
    def forecast(self, pairs):
        return gdp.Forecast(pairs, dollars=pairs * PRICE)


class Measure(gdp.Evaluator):
    def evaluate(self, context):
        pay(self, "measure")
        return gdp.Evaluation({"quality.paid": gdp.Metric(1.0, "A number that was paid for.")})
'''


class World:
    """A tiny recipe with a plugin that pays, and what was asked of the service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plugins").mkdir()
        (folder / "plugins" / "paying.py").write_text(PLUGINS)
        self.recipe = make_tiny_world(folder)
        self.change("count = 96", "count = 24").change("steps = 24", "steps = 2")

    def change(self, old: str, new: str) -> World:
        text = self.recipe.read_text()
        assert old in text
        self.recipe.write_text(text.replace(old, new, 1))
        return self

    def judge_by(self, lines: str) -> World:
        return self.change('plugin = "sharpness"\nmin_sharpness = 0.0', lines)

    def run(self, *arguments: str) -> dict[str, Any]:
        options = ("--plugins-dir", "plugins", "--json", *arguments)
        done = gdp_command("run", "tiny.toml", *options, cwd=self.folder)
        assert done.exit_code in (0, 1, 3, 4, 5), done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def asked(self) -> int:
        file = self.folder / "asked"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def read(self, name: str) -> Any:
        return json.loads((self.folder / "runs" / "tiny" / name).read_text())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setenv("GDP_ANSWERS", str(tmp_path / "answers.sqlite"))
    return World(tmp_path)


@pytest.mark.parametrize("name", ["paying", "paying-scores"])
def test_a_filter_of_somebody_else_is_stopped_before_the_call_that_would_cross_the_limit(
    world: World, name: str
) -> None:
    world.judge_by(f'plugin = "{name}"')
    told = world.run("--max-cost", "0.02", "--until", "filter")
    assert (told["state"], world.asked()) == ("stopped", 10)
    assert "0.02 $ would be crossed" in told["limit"]
    (paid,) = world.read("run.json")["paid"].values()
    assert (paid["calls"], paid["dollars"]) == (10, 0.02)
    world.run("--max-cost", "0.02", "--until", "filter")  # a limit is of one command
    assert world.asked() == 20


def test_a_filter_that_foretells_its_price_pays_for_no_pair_twice_however_small_the_limit(world: World) -> None:
    world.judge_by('plugin = "foretelling"')
    for asked in (10, 20):
        assert world.run("--max-cost", "0.02", "--until", "filter")["done"] == []
        assert world.asked() == asked
    world.run("--max-cost", "0.02", "--until", "filter")
    assert world.asked() == 24
    assert world.read("funnel.json")["filters"][0]["kept"] == 24


def test_a_pair_source_is_stopped_before_the_call_that_would_cross_the_limit(world: World) -> None:
    text = world.recipe.read_text()
    start, end = text.index("[pairs]"), text.index("[[filters]]")
    world.change(text[start:end], '[pairs]\nplugin = "paying-pairs"\ncount = 24\n\n')
    assert world.run("--max-cost", "0.02", "--until", "pairs")["state"] == "stopped"
    assert world.asked() == 10
    assert world.read("run.json")["paid"]["pairs"]["dollars"] == 0.02


def test_an_evaluator_is_stopped_before_its_call_and_free_work_before_it_is_done(world: World) -> None:
    world.change('plugin = "held-out"', 'plugin = "paying-measure"')
    told = world.run("--max-cost", "0.001")
    assert (told["state"], world.asked()) == ("stopped", 0)
    assert told["left"][0] == "evaluate"
    assert world.run("--max-cost", "0.002")["state"] == "finished"
    assert world.read("run.json")["paid"]["measure"]["dollars"] == 0.002


@pytest.mark.parametrize("name", ["paying", "paying-scores"])
def test_pairs_that_a_spent_budget_leaves_are_not_yet_and_asked_again(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.judge_by(f'plugin = "{name}"')
    monkeypatch.setenv("QUOTA", "10")
    told = world.run()
    assert (told["state"], world.asked()) == ("stopped", 10)
    assert "not yet looked at 14 of 24" in told["limit"]
    row = world.read("funnel.json")["filters"][0]
    assert (row["input"], row["kept"], row["unknown"], row["not_yet"]) == (24, 10, 0, 14)
    assert world.read("run.json")["state"] == "stopped"
    assert (world.run()["state"], world.asked()) == ("stopped", 10)
    monkeypatch.setenv("QUOTA", "24")
    assert world.run("--until", "filter")["done"] == ["filter"]
    assert world.asked() == 24
    assert world.read("funnel.json")["filters"][0]["kept"] == 24


def test_a_run_goes_on_without_the_pairs_that_are_not_yet_where_the_recipe_says_so(world: World) -> None:
    world.judge_by('plugin = "paying-scores"\nmax_calls = 12\nnot_yet = "drop"')
    assert world.run()["state"] == "finished"
    assert world.read("stages.json")["filter"]["summary"]["not_yet"] == 12
    again = world.run()
    assert again["done"] == ["filter"]  # asked again, and as nothing was answered, nothing else is repeated
    assert world.asked() == 12
    page = (world.folder / "runs" / "tiny" / "report.html").read_text()
    assert "not yet looked at" in page


def test_an_evaluator_whose_budget_is_spent_leaves_its_number_not_yet(world: World) -> None:
    world.change('plugin = "held-out"', 'plugin = "paying-measure"\nmax_calls = 0')
    told = world.run()
    assert told["state"] == "finished"
    assert "not yet" in json.dumps(world.read("metrics.json")["absent"])
    assert "evaluate" in world.run()["done"]


@pytest.mark.parametrize("dry", [True, False], ids=["dry run", "estimate"])
def test_a_plugin_that_foretold_no_call_cannot_make_one_before_the_run(world: World, dry: bool) -> None:
    text = world.recipe.read_text()
    start, end = text.index("[pairs]"), text.index("[[filters]]")
    world.change(text[start:end], '[pairs]\nplugin = "paying-pairs"\ncount = 24\n\n')
    command = ["run", "tiny.toml", "--dry-run"] if dry else ["estimate", "tiny.toml"]
    done = gdp_command(*command, "--plugins-dir", "plugins", cwd=world.folder)
    assert done.exit_code != 0
    told = " ".join((done.output).split())
    assert "without --pay" in told
    assert "pair-source paying-pairs" in told, "who would have paid"
    assert world.asked() == 0


@pytest.mark.parametrize("name", ["paying", "counting"])
def test_an_estimate_says_whose_forecast_is_silent_and_blames_no_verdicts(world: World, name: str) -> None:
    world.judge_by(f'plugin = "{name}"')
    command = ("estimate", "tiny.toml", "--seconds", "0.2", "--plugins-dir", "plugins", "--json")
    done = gdp_command(*command, cwd=world.folder)
    assert done.exit_code == 0, done.output
    assert world.asked() == 0
    told = " ".join(done.output.split())
    assert f"filter: {name}" in told
    assert "loosen them" not in told


def test_what_was_paid_for_stands_in_the_report(world: World) -> None:
    world.judge_by('plugin = "paying-scores"')
    assert world.run()["state"] == "finished"
    page = (world.folder / "runs" / "tiny" / "report.html").read_text()
    assert "dollars 0.048" in page


@pytest.mark.parametrize("dry", [True, False], ids=["dry run", "estimate"])
def test_with_pay_a_trial_pays_what_it_says_first_and_no_more(world: World, dry: bool) -> None:
    text = world.recipe.read_text()
    start, end = text.index("[pairs]"), text.index("[[filters]]")
    world.change(text[start:end], '[pairs]\nplugin = "honest-pairs"\ncount = 24\n\n')
    command = ["run", "tiny.toml", "--dry-run"] if dry else ["estimate", "tiny.toml", "--seconds", "0.2"]
    plain = gdp_command(*command, "--plugins-dir", "plugins", cwd=world.folder)
    assert plain.exit_code == 0, plain.output
    assert world.asked() == 0
    told = gdp_command(*command, "--pay", "--plugins-dir", "plugins", cwd=world.folder)
    assert told.exit_code == 0, told.output
    assert f"pays at most {0.002 if dry else 0.032:g} $" in told.stderr
    assert world.asked() == (1 if dry else 16)


@pytest.mark.parametrize("command", [("run", "--dry-run"), ("estimate",)])
def test_what_a_teacher_did_not_foretell_is_not_paid_on_trial_and_that_is_a_sentence(
    world: World, command: tuple[str, ...]
) -> None:
    text = world.recipe.read_text()
    start, end = text.index("[teacher]"), text.index("[[filters]]")
    pairs = '[pairs]\nplugin = "paying-taught"\ncount = 24\n\n'
    world.change(text[start:end], f'[teacher]\nplugin = "paying-teacher"\n\n{pairs}')
    done = gdp_command(command[0], "tiny.toml", *command[1:], "--pay", "--plugins-dir", "plugins", cwd=world.folder)
    assert done.exit_code == 1 and "the limit of 0 $ would be crossed by the next call" in done.output, done.output
    assert world.asked() == 0
