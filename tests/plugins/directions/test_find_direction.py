"""`gdp find-direction` on a tiny teacher with random weights, and on the embedded world."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import gdp
from gdp.cli.app import app
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.progress import SilentProgress
from gdp.plugins.directions import ClassMeansConfig
from gdp.plugins.directions.conversion import load_direction
from gdp.plugins.directions.methods import ClassMeans
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.filters import FaceAttributesConfig
from gdp.plugins.filters.face_attributes import FaceAttributesFilter
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.registry import PluginRegistry
from gdp.support.directions import measure_scale, read_direction
from gdp.testing import examples
from gdp.tools.directions.border import BORDER_SCORES
from gdp.tools.directions.choices import SearchChoices, read_choices
from gdp.tools.directions.opening import open_tools
from gdp.tools.directions.samples import STRENGTHS, Sampling, ScoredSamples, draw_samples
from gdp.tools.directions.search import SearchSettings, Tools, find_directions
from gdp.tools.directions.writing import write_strip

PROJECT = Path(__file__).parents[3]
FACES = ("source_age", "source_smile", "source_glasses")


def find(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["find-direction", *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def tiny(tiny_weights: Path) -> tuple[str, ...]:
    """A search on the tiny teacher whose label is how sharp the pictures are."""
    weights = f"teacher.weights={tiny_weights}"
    return ("--set", weights, "--set", "filter.min_sharpness=0", "--filter", "sharpness", "--measured", "16")


@pytest.mark.process
def test_the_help_shows_an_example_and_imports_no_torch() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from gdp.cli.app import app; "
        "print(CliRunner().invoke(app, ['find-direction', '--help']).stdout); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Example: gdp find-direction --filter" in done.stdout


def test_direction_table_and_strip_are_written(tiny: tuple[str, ...], tmp_path: Path) -> None:
    output, strip = tmp_path / "deep" / "sharp.safetensors", tmp_path / "sharp.png"
    # What is sharp in a network with random weights is what is bright, so the border is let go.
    options = ["--samples", "400", "--layers", "0-2,4", "--rows", "2", "--name", "sharp", "--free-border"]
    result = find(*tiny, "--label", "source", *options, "-o", str(output), "--strip", str(strip))
    assert result.exit_code == 0, result.stderr
    direction = read_direction(output)
    assert (direction.name, direction.layers) == ("sharp", (0, 1, 2, 4))
    assert direction.found["method"] == "ridge"
    assert direction.found["held"] == []
    effects = direction.found["effects"]
    assert [row["strength"] for row in effects["strengths"]] == list(STRENGTHS)
    assert set(effects["changes"]) == {"source", *BORDER_SCORES}, "the target is the same picture"
    assert effects["changes"]["source"] > 0.05
    assert [row["border_change"] for row in effects["strengths"]][3] == 0
    assert effects["strengths"][6]["border_change"] > effects["strengths"][4]["border_change"] > 0
    assert effects["strengths"][6]["inner_change"] > 0
    means = [row["means"]["source"] for row in effects["strengths"]]
    assert means[2] < means[3] < means[4]
    assert "SCORE" in result.stdout
    assert "levels, border  " in result.stdout
    assert "source  " in result.stdout
    assert re.search(rf"^drawn, a row a sample, strengths -3 to \+3: \S*{strip.name}$", result.stdout, re.MULTILINE)
    with Image.open(strip) as picture:
        assert picture.width == 7 * 96
        assert picture.height > 2 * 96, "captions stand below the pictures"


def test_samples_that_are_all_but_alike_are_told(tiny: tuple[str, ...]) -> None:
    options = ["--samples", "48", "--truncation", "0", "--label", "source"]
    with pytest.warns(UserWarning, match=r"all but alike, 0\.0 of 255 levels apart.*--truncation 0 is meant"):
        assert find(*tiny, *options).exit_code == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--label", "source", "--samples", "47"),
            "47 samples are too few .*24 numbers: .*ridge needs 48; those .*drop",
        ),
        (("--method", "pca", "--samples", "24"), "24 samples are too few .*24 numbers: .*pca needs 25. 125 are better"),
    ],
)
def test_too_few_samples_are_refused_before_any_is_drawn(
    options: tuple[str, ...], said: str, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdp.tools.directions.samples.Sampling.ws", None)  # drawing samples would fail
    result = find(*tiny, *options)
    assert result.exit_code == 1
    assert re.search(said, " ".join(result.stderr.split()))


def test_a_strip_of_large_pictures_stays_small(tmp_path: Path) -> None:
    teacher = examples.latent_world(512).teacher
    assert isinstance(teacher, LatentTeacher)
    ws = teacher.map(teacher.sample_z(0, [0, 1]))
    moves = [torch.full((teacher.num_ws, teacher.w_dim), strength) for strength in STRENGTHS]
    write_strip(teacher, moves, ws, [["-3"]] * len(moves), tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width == len(STRENGTHS) * 256
        assert 2 * 256 < picture.height < 2 * 256 + 40


@pytest.mark.parametrize("method", ["pca", "sefa"])
def test_methods_without_labels_write_numbered_directions(
    method: str, tiny_weights: Path, tiny_teacher: StyleGAN2Teacher, tmp_path: Path
) -> None:
    output = tmp_path / "found.safetensors"
    weights = f"teacher.weights={tiny_weights}"
    options = ["--samples", "300", "--components", "2", "-o", str(output), "--strip", str(tmp_path / "found.png")]
    result = find("--method", method, "--set", weights, "--rows", "1", *options, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [Path(row["file"]).name for row in found] == [f"found-{method}-{number}.safetensors" for number in (1, 2)]
    assert {path.name for path in tmp_path.glob("*.png")} == {f"found-{method}-1.png", f"found-{method}-2.png"}
    assert [row["strip"] for row in found] == [str(tmp_path / f"found-{method}-{number}.png") for number in (1, 2)]
    first, second = (read_direction(Path(row["file"])) for row in found)
    assert first.teacher == tiny_teacher.fingerprint
    assert abs(float((first.vectors * second.vectors).sum())) < 1e-5
    assert first.displacement(tiny_teacher, 1.0).shape == (6, 24)


def test_how_many_pictures_of_the_strips_are_drawn_is_shown(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdp.console.progress.PLAIN_INTERVAL", 0.0)
    options = ("--method", "sefa", "--set", f"teacher.weights={tiny_weights}", "--components", "2", "--rows", "3")
    result = find(*options, "--strip", str(tmp_path / "a.png"))
    assert result.exit_code == 0, result.stderr
    assert "drawing strips: 42/42 pictures, " in result.stderr
    assert len(re.findall(r"^drawn, .*a-sefa-[12]\.png$", result.stdout, re.MULTILINE)) == 2


def test_nothing_is_told_of_samples_where_there_were_none(
    tiny_weights: Path, tiny_teacher: StyleGAN2Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdp.tools.directions.samples.Sampling.ws", None)  # drawing samples would fail
    weights = f"teacher.weights={tiny_weights}"
    result = find("--method", "sefa", "--set", weights, "--components", "1", "-o", str(tmp_path / "a.safetensors"))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("sefa-1: sefa from the teacher's weights alone; strength 1 moves each w by ")
    assert "samples" not in result.stdout
    direction = read_direction(tmp_path / "a.safetensors")
    assert set(direction.found) == {"method", "method_settings", "component", "eigenvalue_share"}
    assert direction.teacher == tiny_teacher.fingerprint


@pytest.mark.parametrize(
    ("method", "options", "said", "drawn"),
    [
        ("pca", (), "pca-1: pca from 300 samples; ", {"samples", "seed", "truncation"}),
        ("sefa", ("judge",), "sefa-1: sefa from the teacher's weights alone; ", set()),
        ("class-means", ("judge", "label"), "source: class-means from 300 samples that sharpness scored; ",
         {"samples", "seed", "truncation", "filter"}),
    ],
)  # fmt: skip
def test_a_finding_tells_the_samples_and_the_filter_that_it_was_made_with(
    method: str, options: tuple[str, ...], said: str, drawn: set[str], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    judged = tiny if "judge" in options else tiny[:2]
    label = ("--label", "source", "--free-border") if "label" in options else ("--components", "1")
    output = tmp_path / "found.safetensors"
    result = find("--method", method, *judged, *label, "--samples", "300", "-o", str(output))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(said)
    found = read_direction(output).found
    assert set(found) & {"samples", "seed", "truncation", "filter"} == drawn
    assert ("effects" in found) == ("judge" in options)
    if "judge" in options:
        assert found["effects"]["filter"] == "sharpness", "what was measured names who measured it"


def test_a_file_is_described_on_a_teacher(tiny_weights: Path, tiny_teacher: StyleGAN2Teacher, tmp_path: Path) -> None:
    weights = f"teacher.weights={tiny_weights}"
    found = find("--method", "pca", "--set", weights, "--samples", "300", "--components", "1", "--json",
                 "-o", str(tmp_path / "own.safetensors"))  # fmt: skip
    assert json.loads(found.stdout)[0]["strength_1_is_published"] == pytest.approx(1.0), "GANSpace's sigma"
    row = torch.randn(1, 24, generator=torch.Generator().manual_seed(7))
    torch.save(0.731 * row / row.norm(), tmp_path / "age.pt")
    strip = tmp_path / "age.png"
    result = find("--describe", str(tmp_path / "age.pt"), "--set", weights, "--strip", str(strip), "--rows", "2")
    assert result.exit_code == 0, result.stderr
    assert "age: 1 row, for all w's, of 24 numbers; norm of a row 0.731, of the whole 0.731" in result.stdout
    assert "times the file's vector); published 1 is strength" in result.stdout
    assert 'a recipe uses it only with [pairs] space = "w"' in result.stdout
    with Image.open(strip) as picture:
        assert picture.size == (7 * 96, 2 * 96 + 16 + 6)
    told = json.loads(find("--describe", str(tmp_path / "age.pt"), "--set", weights, "--json").stdout)
    scale = measure_scale(tiny_teacher, row / row.norm())
    assert told["scale"] == pytest.approx(scale, rel=1e-5)
    assert told["published_1_is_strength"] == pytest.approx(0.731 / scale, rel=1e-4)
    assert (told["fits"], told["space"]) == (False, None)
    own = json.loads(find("--describe", str(tmp_path / "own.safetensors"), "--set", weights, "--json").stdout)
    assert (own["fits"], own["origin"]) == (True, "it was found on this teacher")


def test_a_file_that_does_not_fit_or_is_not_there_is_described_as_such(tiny_weights: Path, tmp_path: Path) -> None:
    weights = f"teacher.weights={tiny_weights}"
    torch.save(torch.ones(1, 512), tmp_path / "age.pt")
    result = find("--describe", str(tmp_path / "age.pt"), "--set", weights, "--strip", str(tmp_path / "age.png"))
    assert result.exit_code == 0
    assert (
        "does not fit: direction age has 1 row of 512 numbers; the teacher takes 6 w's of 24 numbers" in result.stdout
    )
    assert not (tmp_path / "age.png").exists()
    result = find("--describe", str(tmp_path / "no.pt"), "--set", weights)
    assert result.exit_code == 1
    assert "no.pt: there is no such direction file" in result.stderr
    result = find("--describe", str(tmp_path / "age.pt"), "--label", "source")
    assert "--describe finds nothing: leave --label, --hold, --filter and --output out" in result.stderr


def test_the_recipe_gives_the_teacher_and_what_scores_depend_on(tiny_weights: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'[teacher]\nplugin = "stylegan2"\nweights = "{tiny_weights}"\n'
        '[[filters]]\nplugin = "sharpness"\nmin_sharpness = 1e9\n'  # a threshold for pairs, not for samples
    )
    common = ["--filter", "sharpness", "--label", "source", "--samples", "200", "--measured", "0", "--json"]
    by_recipe = find(str(recipe), *common, "--set", "filter.min_sharpness=0")
    assert by_recipe.exit_code == 0, by_recipe.stderr
    by_name = find("--teacher", "stylegan2", "--set", f"teacher.weights={tiny_weights}", *common, "--set",
                   "filter.min_sharpness=0")  # fmt: skip
    assert json.loads(by_recipe.stdout) == json.loads(by_name.stdout)
    assert "effects" not in json.loads(by_recipe.stdout)[0]["found"]


def test_a_search_that_nobody_gave_a_teacher_says_so() -> None:
    with pytest.raises(gdp.GdpError, match="no teacher is named, and there is no recipe that has one"):
        read_choices(SearchChoices("pca"), PluginRegistry.discover())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--label", "hat"],
            "no score is called 'hat'; there are border_blueness, border_lightness, border_redness, source",
        ),
        ([], "name the filter with --filter NAME and one of the scores that it measures with --label SCORE"),
        (["--label", "source", "--hold", "source"], "source cannot both grow (--label) and stay (--hold)"),
        (["--label", "source", "--layers", "0-9"], "there is no layer 6"),
        (["--label", "source", "--layers", "a-b"], "write numbers of w's such as 0-7"),
        (["--label", "source", "--samples", "30"], "too few for a direction of 24 numbers"),
        (["--label", "source", "-o", "age.pt"], "a direction is written as .safetensors"),
        (["--label", "source", "--strip", "age.jpg"], "a strip is written as .png"),
        (
            ["--label", "source", "--method", "pcaa"],
            "gdp find-direction: --method: no direction-method plugin is called",
        ),
        (["--label", "source", "--method", "pcaa"], "did you mean pca?"),
        (["--label", "source", "--filter", "sharp"], "gdp find-direction: --filter: no filter plugin is called"),
        (["--label", "source", "--teacher", "stylegan"], "gdp find-direction: --teacher: no teacher plugin is called"),
        (
            ["--label", "source", "--set", "method.plugin=pcaa"],
            "gdp find-direction: --method: no direction-method plugin is called",
        ),
        (["--label", "source", "--method", "sefa"], "needs no labels; leave --label and --hold out"),
        (["--label", "source", "--set", "method.penalti=1"], "method.penalti: unknown key, did you mean penalty?"),
        (["--label", "source", "--set", "filter.min_sharpness=1e9"], "the filter keeps 0 of 100 samples"),
        (["--label", "source", "--teacher", "cyclegan"], "makes pictures from latents; there is cyclegan, stylegan2"),
    ],
)
def test_what_is_wrong_is_said(options: list[str], message: str, tiny: tuple[str, ...]) -> None:
    given = () if "cyclegan" in options else tiny
    result = find(*given, "--samples", "100", *options)
    assert result.exit_code in (1, 2)
    assert message in result.stderr


def test_a_broken_teachers_file_is_said(tmp_path: Path) -> None:
    result = find("--set", f"teacher.weights={tmp_path / 'no.safetensors'}", "--method", "pca")
    assert result.exit_code == 1
    assert "no.safetensors: there are no such weights" in result.stderr


@pytest.fixture(scope="module")
def embedded() -> StyleGAN2Teacher:
    return StyleGAN2Teacher(StyleGAN2Config(), gdp.BuildContext())


@pytest.fixture(scope="module")
def scored(embedded: StyleGAN2Teacher) -> ScoredSamples:
    judge = FaceAttributesFilter(FaceAttributesConfig(), gdp.BuildContext())
    return draw_samples(embedded, judge, Sampling(), 700, SilentProgress())


def test_age_smile_and_glasses_move_alone(scored: ScoredSamples) -> None:
    choices = SearchChoices("linear-svm", "stylegan2", "face-attributes")
    device, silent = torch.device("cpu"), SilentProgress()
    registry = PluginRegistry.discover()
    chosen = read_choices(choices, registry)
    tools = open_tools(chosen, registry, seed=0, pictures=700, device=device, progress=silent)
    # 700 samples are too few for an SVM to hold the border's three colours, too (docs/directions.md).
    for finding in find_directions(tools, SearchSettings(FACES, hold_border=False, measured=40), scored):
        label = finding.direction.found["label"]
        assert finding.effects is not None
        assert finding.effects.changes[label] > 0.15
        assert finding.effects.leak(label, [name for name in FACES if name != label]) < 1 / 3


def test_several_labels_hold_each_other_and_each_gets_a_file(tiny: tuple[str, ...], tmp_path: Path) -> None:
    options = ["--samples", "300", "--refine", "1", "-o", str(tmp_path / "tiny.safetensors")]
    faces = ["--filter", "face-attributes", "--set", "filter.min_face=0", "--set", "filter.min_sharpness="]
    result = find(*tiny, *faces, "--label", "source_age,source_smile", *options)
    assert result.exit_code == 0, result.stderr
    age, smile = (read_direction(tmp_path / f"tiny-{name}.safetensors") for name in ("age", "smile"))
    assert (age.found["label"], age.found["held"]) == ("source_age", ["source_smile", *BORDER_SCORES])
    assert (smile.found["label"], smile.found["held"]) == ("source_smile", ["source_age", *BORDER_SCORES])
    assert 1 <= len(age.found["leaks"]) <= 2
    assert age.name == "age"


def test_all_holds_every_other_score_and_a_free_border_none_of_the_border(
    tiny: tuple[str, ...], tmp_path: Path
) -> None:
    output = tmp_path / "age.safetensors"
    faces = ["--filter", "face-attributes", "--set", "filter.min_face=0", "--set", "filter.min_sharpness="]
    common = [*tiny, *faces, "--label", "source_age", "--samples", "300", "--refine", "0", "-o", str(output)]
    result = find(*common, "--hold", "all", "--free-border")
    assert result.exit_code == 0, result.stderr
    held = read_direction(output).found["held"]
    assert {"source_smile", "source_glasses"} <= set(held)
    assert not set(held) & {"source_age", *BORDER_SCORES}


class _Framed(LatentTeacher):
    """w is z, but for its second number; the middle of a picture shows w's first number and the border its second.

    Where the middle is light the border is, too.
    """

    fingerprint = property(lambda self: "ab" * 32)  # type: ignore[assignment] # short for six properties
    resolution = property(lambda self: 32)  # type: ignore[assignment] # the same
    z_dim = property(lambda self: 8)  # type: ignore[assignment] # the same
    w_dim = property(lambda self: 8)  # type: ignore[assignment] # the same
    num_ws = property(lambda self: 2)  # type: ignore[assignment] # the same
    module = property(lambda self: torch.nn.Identity())  # type: ignore[assignment] # the same

    def example_inputs(self) -> tuple[torch.Tensor]:
        return (torch.zeros(1, 8),)

    def map(self, z: torch.Tensor, truncation: float = 1.0, truncation_cutoff: int | None = None) -> torch.Tensor:
        w = z.clone()
        w[:, 1] += 0.8 * w[:, 0]
        return truncation * w[:, None].expand(-1, 2, -1)

    def synthesize(self, ws: torch.Tensor) -> torch.Tensor:
        first, second = (ws[:, 0, number, None, None, None] / 8 for number in (0, 1))
        images = second.expand(-1, 3, 32, 32).clone()
        images[:, :, 8:24, 8:24] = first
        return images

    def project(self, images: torch.Tensor, steps: int | None, progress: gdp.Progress) -> gdp.Projection:
        raise NotImplementedError


class _Middle(gdp.ScoringFilter):
    """Scores how light the middle is, and counts what it is asked about."""

    asked = 0

    def score(self, pairs: gdp.PairBatch) -> list[gdp.Scores]:
        type(self).asked += len(pairs)
        return [{"source": round(float(value), 4)} for value in pairs.source[:, :, 8:24, 8:24].mean(dim=(1, 2, 3))]

    def decide(self, scores: Mapping[int, gdp.Scores]) -> dict[int, gdp.Verdict]:
        return {index: gdp.Verdict.keep_if(True, **row) for index, row in scores.items()}


def test_a_background_that_goes_with_the_score_is_held_and_the_filter_is_not_asked_about_it() -> None:
    teacher = _Framed(None, gdp.BuildContext())
    method = ClassMeans(ClassMeansConfig(), gdp.BuildContext())
    tools = Tools(teacher, method, _Middle(None, gdp.BuildContext()), "class-means", "middle", SilentProgress())
    changes, asked = {}, {}
    for border in (False, True):
        _Middle.asked = 0
        settings = SearchSettings(("source",), hold_border=border, samples=600, measured=40)
        (finding,) = find_directions(tools, settings)
        assert finding.effects is not None
        changes[border], asked[border] = finding.effects.changes, _Middle.asked
        far = {effect.strength: (effect.border_change, effect.inner_change) for effect in finding.effects.strengths}
    assert changes[False]["border_lightness"] > 0.4
    assert abs(changes[True]["border_lightness"]) < 0.1
    assert changes[True]["source"] > 0.4
    assert far[0.0] == (0.0, 0.0)
    assert far[1.0][0] < far[1.0][1] / 4, "the border stays and the middle moves"
    assert asked[True] == asked[False]


def test_the_published_table_keeps_the_others_below_a_third_for_every_labelled_method() -> None:
    rows = json.loads((PROJECT / "bench" / "results" / "directions.json").read_text())["scores"]["rows"]
    methods = {row["method"] for row in rows}
    assert methods == {"class-means", "logistic-regression", "linear-svm", "ridge"}
    assert {(row["method"], row["wanted"]) for row in rows} == {
        (method, label) for method in methods for label in FACES
    }
    page = (PROJECT / "docs" / "directions.md").read_text()
    for row in rows:
        others = [abs(row["changes"][name]) for name in FACES if name != row["wanted"]]
        assert max(others) < row["change"] / 3
        assert f"**{row['change']:+.2f}**" in page


def test_the_shipped_age_direction_was_found_on_the_shipped_teacher(embedded: StyleGAN2Teacher) -> None:
    assert load_direction("builtin:age").teacher == embedded.fingerprint


@pytest.mark.parametrize("name", ["smile", "glasses"])
def test_the_shipped_directions_move_their_score_alone(
    name: Literal["smile", "glasses"], embedded: StyleGAN2Teacher
) -> None:
    direction = load_direction(f"builtin:{name}")
    assert direction.teacher == embedded.fingerprint
    ws = embedded.map(embedded.sample_z(5, range(64)), truncation=0.8)
    judge = FaceJudge.load()
    low, high = (
        judge.assess(embedded.synthesize(ws + direction.displacement(embedded, strength)).clamp(-1, 1))
        for strength in (-1.0, 1.0)
    )
    deviations = direction.found["effects"]["deviations"]
    changes = {
        label: float((getattr(high, attribute) - getattr(low, attribute)).mean()) / 2 / deviations[label]
        for label in FACES
        for attribute in [label.removeprefix("source_")]
    }
    wanted = changes.pop(f"source_{name}")
    assert wanted > 0.3
    assert max(map(abs, changes.values())) < wanted / 3
