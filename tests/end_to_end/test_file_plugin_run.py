"""A run with a plugin of one file: used by the run, and remembered with its path and hash."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

from forked import run_forked
from tiny_world import make_tiny_world

DOCUMENT = Path(__file__).parents[2] / "docs" / "api_stability.md"


def test_the_documented_file_is_used_by_a_run_and_remembered(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (source,) = [block for block in blocks if block.startswith('"""brightness.py')]
    plugin = tmp_path / "plugins" / "brightness.py"
    plugin.parent.mkdir()
    plugin.write_text(source)
    recipe = make_tiny_world(tmp_path)
    chosen = 'plugin = "brightness"\nmin_mean = 0.5'
    recipe.write_text(recipe.read_text().replace('plugin = "sharpness"\nmin_sharpness = 0.0', chosen))
    done = run_forked(("run", "tiny.toml", "--until", "filter", "--plugins-dir", "plugins"), tmp_path)
    assert done.returncode == 3, done.stderr
    brightness, _ = json.loads((tmp_path / "runs" / "tiny" / "funnel.json").read_text())["filters"]
    assert 0 < brightness["kept"] < brightness["input"]
    versions = json.loads((tmp_path / "runs" / "tiny" / "run.json").read_text())["versions"]
    assert versions[str(plugin)] == f"sha256 {hashlib.sha256(source.encode()).hexdigest()}"

    done = run_forked(("validate", "tiny.toml"), tmp_path)
    assert done.returncode == 2
    assert 'no filter plugin is called "brightness"' in done.stdout + done.stderr


EVALUATOR = '''\
"""redness.py: how red the student's pictures are."""

import gdp

NAME = "quality.redness.mean"


class RednessConfig(gdp.Config):
    pass


@gdp.hookimpl
def gdp_register_evaluators(register):
    register("redness", config=RednessConfig, implementation="redness:Redness", summary="How red the pictures are")


class Redness(gdp.Evaluator):
    """Means the red of the student's pictures."""

    def evaluate(self, context):
        pairs = context.load(list(context.held_out)[:2])
        made = context.predict(pairs.source)
        row = gdp.PictureRow("Redness <i> / first", {"source": pairs.source[0], "student": made[0]})
        return gdp.Evaluation({NAME: gdp.Metric(float(made[:, 0].mean()), "Mean red.")}, rows=[row])

    @classmethod
    def sentences(cls, numbers):
        if NAME in numbers:
            yield gdp.Sentence("Its red is <b>**of some strength**</b>.")

    @classmethod
    def headlines(cls, numbers):
        if NAME in numbers:
            yield gdp.Headline("<i>red</i>", "as it is seen")
'''


def test_an_evaluator_of_a_file_puts_a_sentence_a_figure_and_pictures_into_the_report(tmp_path: Path) -> None:
    plugin = tmp_path / "plugins" / "redness.py"
    plugin.parent.mkdir()
    plugin.write_text(EVALUATOR)
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text() + '\n[[evaluators]]\nplugin = "redness"\n')
    smaller = ("train.steps=2", "train.sample_every=2", "pairs.count=40")
    options = [word for change in smaller for word in ("--set", change)]
    command = [sys.executable, "-m", "gdp", "run", "tiny.toml", "--plugins-dir", "plugins", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "tiny"
    plugin.unlink()  # the report is made of the folder alone
    again = subprocess.run(
        [sys.executable, "-m", "gdp", "report", folder], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    report = (folder / "report.html").read_text()
    assert "Its red is &lt;b&gt;<strong>of some strength</strong>&lt;/b&gt;." in report
    assert "<dt>as it is seen</dt><dd>&lt;i&gt;red&lt;/i&gt;</dd>" in report
    assert "<h3>Redness &lt;i&gt;</h3>" in report
    assert "its pictures reach a PSNR of" in report, "the built-in evaluator says its own"
