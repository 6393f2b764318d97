"""Every kind of plugin of a recipe is wrong in many ways, in a real run: one sentence names it, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import gdp_command
from odd_plugins import RAISES

from gdp.cli.common import EXIT_STOPPED
from gdp.testing.examples import RECIPE, pictures
from gdp.toolbox import encode_png

ZOO = Path(__file__).parent / "zoo"
NOT_PICTURES = {
    "None": "None",
    "right * 3 + 2": "outside [-1, 1]",
    "right * nan": "NaN",
    "(right * 127).byte()": "uint8",
    "right[..., :8]": "(",
    "right[:1]": "(",
    "[right]": "list",
}


def batch(source: str = "right.source", target: str = "right.target") -> str:
    return f"gdp.PairBatch(right.indices, {source}, {target}, right.records)"


WAYS: dict[str, dict[str, dict[str, str]]] = {
    "teacher": {
        "__init__": RAISES,
        "synthesize": {**RAISES, **NOT_PICTURES},
        "map": {"right[:, 0]": "map must return floats", "None": "map must return floats"},
        "fingerprint": {"None": "fingerprint must be text", "7": "fingerprint must be text"},
        "resolution": {"0": "resolution must be a number of pixels", "'16'": "resolution must be"},
        "module": {"None": "module must be a torch.nn.Module"},
        "example_inputs": {"[right]": "example_inputs must be a tuple"},
        "weights_licence": {"7": "weights_licence must be a short line", "chr(10)": "weights_licence must be a short"},
    },
    "translator": {
        "__init__": RAISES,
        "translate": {**RAISES, **NOT_PICTURES, "(x for x in right)": "and is generator"},
        "module": {"None": "module must be a torch.nn.Module"},
        "fingerprint": {"None": "fingerprint must be text"},
    },
    "trained": {
        "train": {
            **RAISES,
            "None": "train must return the file of the weights, below ",
            "right / 'nowhere'": "train must return the file of the weights, below ",
            "str(right)": "train must return the file of the weights, below ",
            "type(right)(__file__)": "failed with NameError",
        },
        "trained_settings": {**RAISES, "None": "trained_settings must be settings", "{'x': 1}": "ValidationError"},
    },
    "unpaired": {
        "__init__": RAISES,
        "images": {
            **RAISES,
            "None": "must return uint8 pictures (",
            "right.float()": "and returned float32",
            "right[1:]": "must return uint8 pictures",
            "right[..., :8]": "must return uint8 pictures",
            "right.numpy()": "and returned uint8",
        },
        "resolution": {"None": "resolution must be a number of pixels", "0": "resolution must be"},
        "count": {"-1": "count must be a number of pictures", "2.0": "count must be a number of pictures"},
        "fingerprint": {"None": "fingerprint must be text"},
        "name": {"7": "name must be text"},
        "shows": {"'cats'": "shows must be a gdp.PictureKind", "gdp.PictureKind(chr(10))": "must be a short line"},
    },
    "pair-source": {
        "__init__": RAISES,
        "make": {
            **RAISES,
            "None": "must return a gdp.PairBatch, and returned None",
            "(right.source, right.target)": "must return a gdp.PairBatch, and returned tuple",
            batch("(right.source + 1) * 127.5"): "the source of pair 0 holds values from",
            batch("right.source", "right.target * 5 - 3"): "the target of pair 0 holds values from",
            batch("right.source * torch.where(torch.arange(len(right)) == 2, nan, 1.0)[:, None, None, None]"):
                "the source of pair 2 holds NaN",
            batch("(right.source * 127).byte()", "right.target"): "the source must be floats in [-1, 1]",
            batch("right.source[..., :8, :8]", "right.target[..., :8, :8]"): "(6, 3, 32, 32), and is float32",
            batch("right.source[:, :1]"): "pairs need a source",
            "gdp.PairBatch([], right.source[:0], right.target[:0], [])": "and made others",
            "gdp.PairBatch(right.indices, right.source, right.target, "
            "[gdp.PairRecord(i, 0, {'x': object()}) for i in right.indices])": "says of pair 0 what JSON cannot hold",
        },
        "resolution": {"None": "resolution must be a number of pixels", "16.0": "resolution must be"},
        "count": {"-1": "count must be a number of pairs", "nan": "count must be"},
        "input_channels": {"1": "input_channels must be 3 for each"},
        "fingerprint": {"None": "fingerprint must be text"},
        "held_out": {"[True]": "held_out must return True or False for each of 6 pairs"},
        "live": {"None": "live must be True or False"},
    },
    "filter": {
        "__init__": RAISES,
        "judge": {
            **RAISES,
            "None": "must return a list of gdp.Verdict, and returned None",
            "(verdict for verdict in right)": "must return a list of gdp.Verdict, and returned generator",
            "[setattr(given[0], 'target', None), right][1]": "FrozenInstanceError",
            "right[1:]": "gave 5 verdicts on 6 pairs",
            "[True for _ in right]": "must give a gdp.Verdict, and gave bool True on pair 0",
            "[*right[1:], None]": "gave None on pair 5",
            "[gdp.Verdict.keep(x=nan) for _ in right]": "score x is nan",
            "[gdp.Verdict.keep(x=torch.ones(1)) for _ in right]": "convert tensors with float()",
            "[gdp.Verdict('drop', {}, 3) for _ in right]": "a reason is text",
            "[given[0].source.mul_(0), right][1]": "changed what it was given",
        },
        "summary": {"{'x': object()}": "summary must return what JSON can hold", "None": "summary must return"},
    },
    "scoring": {
        "__init__": RAISES,
        "score": {
            **RAISES,
            "None": "must return a list of scores by name",
            "right[1:]": "gave scores of 5 pairs where 6 were asked",
            "[1.0 for _ in right]": "must give scores by name, and gave float 1.0 on pair 0",
            "[*right[1:], {'x': nan}]": "was wrong on pair 5: score x is nan",
        },
        "score_stream": {"None": "must yield scores by pair", "iter([{0: 3}])": "must give scores by name"},
        "decide": {"{}": "decided on 0 pairs", "None": "must return a verdict", "{i: 1 for i in right}": "on pair 0"},
        "fingerprint": {"3": "fingerprint must be text"},
        "score_settings": {"frozenset({'modle'})": "names modle, which is none of its settings"},
    },
    "combining": {
        "__init__": RAISES,
        "decide": {**RAISES, "{}": "decided on 0 pairs where 6", "None": "must return a verdict by pair"},
    },
    "student": {
        "__init__": RAISES,
        "generator": {
            "None": "generator must be a torch.nn.Module",
            "torch.nn.Conv2d(6, 3, 1)": "failed with RuntimeError: Given groups=1",
            "fail(OSError('gone'))": "failed with OSError",
        },
        "generate_in_phase": {
            **RAISES,
            "None": "must return floats (1, 3, 16, 16), and returned None",
            "right[..., :8]": "must return floats (1, 3, 16, 16)",
            "right[:, :1]": "must return floats (1, 3, 16, 16)",
        },
        "phases": {"[]": "phases must be a list of gdp.TrainingPhase", "[gdp.TrainingPhase('a', 0.4)]": "sum to 0.4"},
        "initialise": {"None": "initialise must return figures", "{'x': object()}": "what JSON can hold"},
        "phase_downscale": {"0": "phase_downscale must be a whole number"},
    },
    "loss": {
        "__init__": RAISES,
        "generator": {
            **RAISES,
            "None": "must return a scalar tensor, and returned None",
            "0.5": "must return a scalar tensor, and returned float 0.5",
            "right.expand(4)": "must return a scalar tensor, and returned float32 (4,)",
            "right.detach()": "has no gradient",
            "[given[0].source.mul_(0), right][1]": "changed what it was given",
            "right * nan": "generator.zoo-loss became nan",
        },
        "watch": {"None": "watch must be a gdp.Watched", "gdp.Watched(['nowhere'])": "has no module 'nowhere'"},
        "fit": {"3": "fit must be a torch.nn.Module"},
    },
    "evaluator": {
        "__init__": RAISES,
        "evaluate": {
            **RAISES,
            "None": "must return a gdp.Evaluation, and returned None",
            "{'zoo.number': 1}": "must return a gdp.Evaluation",
            "gdp.Evaluation({'zoo.number': 1.0})": "a number is a gdp.Metric",
            "gdp.Evaluation({'zoo.number': gdp.Metric(torch.ones(1), 'x')})": "convert tensors with float()",
            "gdp.Evaluation({'zoo.number': gdp.Metric(None, 'x')})": "it must be a number",
            "gdp.Evaluation({'a': gdp.Metric(1, 'x'), 'a.b': gdp.Metric(1, 'x')})": "which stands below it",
            "gdp.Evaluation(absent={'a': None})": "that is no text",
            "gdp.Evaluation(rows=[gdp.PictureRow('r', {'student': torch.zeros(1, 3, 8, 8)})])": "it must be (3, H, W)",
        },
    },
    "dataset": {
        "__init__": RAISES,
        "images": {
            **RAISES,
            "None": "must return uint8 pictures (6, 3, 32, 32), and returned None",
            "right.float()": "and returned float32",
            "right[1:]": "must return uint8 pictures",
            "right[..., :8]": "must return uint8 pictures",
        },
        "resolution": {"None": "resolution must be a number of pixels"},
        "__len__": {"-1": "__len__ must be a number of pictures, and is int -1", "None": "and is None"},
    },
    "stage": {
        "__init__": RAISES,
        "key": {"None": "key must return figures", "{'x': nan}": "what JSON can hold", **RAISES},
        "execute": {**RAISES, "None": "execute must return figures by name", "{'x': object()}": "what JSON can hold"},
        "applies": {"None": "applies must be True or False"},
    },
}  # fmt: skip
CASES = [
    pytest.param(kind, member, answer, words, id=f"{kind}-{member}-{number}")
    for kind, members in WAYS.items()
    for number, (member, answer, words) in enumerate(
        (member, answer, words) for member, answers in members.items() for answer, words in answers.items()
    )
]
UNTIL = {"student": "train", "loss": "train", "evaluator": "evaluate", "stage": "zoo-stage"}
SOURCES = {
    "teacher": "zoo-taught",
    "trained": "zoo-taught",
    "translator": "translate",
    "unpaired": "translate",
    "pair-source": "zoo-source",
    "dataset": "zoo-pictured",
}
"""The pair source by which a plugin is asked."""
BESIDE: dict[str, dict[str, str]] = {
    "teacher": {"teacher": "teacher"},
    "trained": {"teacher": "trained", "dataset": "dataset"},
    "translator": {"teacher": "translator", "dataset": "unpaired"},
    "unpaired": {"teacher": "translator", "dataset": "unpaired"},
    "pair-source": {},
    "dataset": {"dataset": "dataset"},
}
ERROR_NAMES_KIND = {
    "scoring": "filter", "combining": "filter", "translator": "teacher", "trained": "teacher", "unpaired": "dataset",
}  # fmt: skip
"""What an error calls the kind, where it has another name here."""


def _placed(name: str, settings: str) -> str:
    """Put the settings of a zoo's plugin where it reads them: of one that is trained, its training's."""
    return f"[teacher.train]\n{settings}" if name == "trained" else settings


def recipe_of(kind: str, member: str, answer: str) -> str:
    """Write the tiny recipe with one plugin of the zoo, wrong in one answer."""
    settings = f"member = {json.dumps(member)}\nanswer = {json.dumps(answer)}\n"
    text = RECIPE
    end = text.index("[student]")
    if kind in SOURCES:
        own = settings if kind == "pair-source" else ""
        count = "count = 6\n" if SOURCES[kind] != "translate" else ""
        text = f'name = "tiny"\nseed = 7\n[pairs]\nplugin = "{SOURCES[kind]}"\n{count}{own}{text[end:]}'
        return text + "".join(
            f'\n[{section}]\nplugin = "zoo-{name}"\n{_placed(name, settings) if name == kind else ""}'
            for section, name in BESIDE[kind].items()
        )
    if kind == "student":
        return text[:end] + f'[student]\nplugin = "zoo-student"\n{settings}' + text[text.index("[[losses]]") :]
    section = {"loss": "losses", "evaluator": "evaluators", "stage": "stages"}.get(kind, "filters")
    return f'{text}\n[[{section}]]\nplugin = "zoo-{kind}"\n{settings}'


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Return a folder with the pictures that the tiny recipe names."""
    for seed, name in enumerate(("before", "after")):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(pictures(6, 16, seed=seed)):
            (tmp_path / name / f"{number}.png").write_bytes(encode_png(picture))
    return tmp_path


def run(world: Path, kind: str, member: str, answer: str, until: str | None = None) -> tuple[int, str, str]:
    (world / "zoo.toml").write_text(recipe_of(kind, member, answer))
    options = ("--plugins-dir", ZOO, "--until", until or UNTIL.get(kind, "filter"), "--json")
    done = gdp_command("run", "zoo.toml", *options, cwd=world)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(("kind", "member", "answer", "words"), CASES)
def test_a_wrong_plugin_is_one_sentence_that_names_it_and_the_recipes_line(
    world: Path, kind: str, member: str, answer: str, words: str
) -> None:
    code, out, err = run(world, kind, member, answer, {"live": "train", "shows": "export"}.get(member))
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 1, err
    assert out == "" and "Traceback" not in err
    assert words in error, error
    if "became nan" in words:  # the objective's own words, which name the loss
        return
    lines = (world / "zoo.toml").read_text().splitlines()
    line = lines.index(f'plugin = "zoo-{"source" if kind == "pair-source" else kind}"') + 1
    name = f"{ERROR_NAMES_KIND.get(kind, kind)} zoo-{'source' if kind == 'pair-source' else kind}"
    assert error.startswith(f"error: zoo.toml:{line}: {name} ({ZOO / 'zoo.py'}): "), error


@pytest.mark.parametrize("kind", [kind for kind, members in WAYS.items() if "__init__" in members])
def test_what_was_done_before_a_plugin_failed_is_kept(world: Path, kind: str) -> None:
    code, _, err = run(world, kind, "__init__", "fail(RuntimeError('no'))")
    assert code == 1, err
    code, _, err = run(world, kind, "", "right")
    assert code == EXIT_STOPPED, err
    code, out, _ = run(world, kind, "", "right")
    assert code == EXIT_STOPPED and json.loads(out)


LISTENERS = {
    "raise ValueError('no')": "failed in gdp_run_started (ValueError: no)",
    "raise SystemExit(3)": "failed in gdp_run_started (SystemExit: 3)",
    "raise type('PanicError', (BaseException,), {})('core')": "PanicError: core",
    "run.nothing": "AttributeError",
    "recipe['name'] = 1; recipe['nothing']": "KeyError: 'nothing'",
    "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})": "its message cannot be shown",
    "import a_module_that_nobody_has": "No module named 'a_module_that_nobody_has'",
    "import sys; sys.exit()": "SystemExit",
}


@pytest.mark.parametrize("body", LISTENERS)
def test_a_listener_that_fails_is_told_once_and_the_run_goes_on(
    world: Path, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    (world / "plugins").mkdir()
    hook = f"import gdp\n@gdp.hookimpl\ndef gdp_run_started(run, recipe):\n    {body}\n"
    (world / "plugins" / "listener.py").write_text(hook)
    (world / "zoo.toml").write_text(RECIPE)
    done = gdp_command("run", "zoo.toml", "--plugins-dir", "plugins", "--until", "pairs", cwd=world)
    assert done.exit_code == EXIT_STOPPED, done.output
    (told,) = [record.getMessage() for record in caplog.records if "listener" in record.getMessage()]
    assert LISTENERS[body] in told and "the run goes on" in told


COMMANDS = {
    "raise ValueError('no')": "failed with ValueError: no",
    "raise type('PanicError', (BaseException,), {})('core')": "failed with PanicError: core",
    "return 1 / 0": "failed with ZeroDivisionError",
    "open('nowhere')": "failed with FileNotFoundError",
    "import a_module_that_nobody_has": "No module named 'a_module_that_nobody_has'",
    "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})": "its message cannot be shown",
    "raise RecursionError": "failed with RecursionError",
    "raise StopIteration(3)": "failed with StopIteration: 3",
}


@pytest.mark.parametrize("body", COMMANDS)
def test_a_command_that_fails_is_one_sentence_that_names_its_package(world: Path, body: str) -> None:
    (world / "plugins").mkdir()
    source = (
        "import gdp\n@gdp.hookimpl\ndef gdp_register_commands(register):\n"
        f"    register('zoo', implementation='zoo_command:work', summary='Fails')\ndef work():\n    {body}\n"
    )
    path = world / "plugins" / "zoo_command.py"
    path.write_text(source)
    done = gdp_command("zoo", "--plugins-dir", "plugins", cwd=world)
    (error,) = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert done.exit_code == 1
    assert error.startswith(f"error: command zoo ({path}): {COMMANDS[body]}") or COMMANDS[body] in error


def test_what_a_plugin_prints_gets_into_no_json(world: Path) -> None:
    answer = "[print('look at me'), right][1]"
    (world / "zoo.toml").write_text(recipe_of("filter", "judge", answer))
    options = ("--plugins-dir", ZOO, "--until", "filter", "--json")
    done = gdp_command("run", "zoo.toml", *options, cwd=world)
    assert done.exit_code == EXIT_STOPPED, done.output
    assert json.loads(done.stdout)
    assert "look at me" in done.stderr


def test_a_teacher_that_fails_inside_a_pair_source_is_the_one_that_is_blamed(world: Path) -> None:
    _, _, err = run(world, "teacher", "synthesize", "fail(KeyError('w'))")
    assert "teacher zoo-teacher" in err and "pair-source" not in err


@pytest.mark.parametrize(
    ("kind", "member", "answer", "words"),
    [
        ("student", "generator", "torch.nn.Conv2d(6, 3, 1)", "failed with RuntimeError: Given groups=1"),
        ("student", "generator", "torch.nn.Identity().register_forward_hook", "generator must be a torch.nn.Module"),
        ("student", "generator", "torch.nn.Conv2d(3, 1, 1)", "it makes (1, 1, 16, 16) of (1, 3, 16, 16)"),
        ("student", "generator", "torch.nn.LSTM(16, 16)", "failed with "),
        ("loss", "watch", "gdp.Watched(['nowhere'])", "the student has no module 'nowhere'"),
    ],
)
def test_the_pre_flight_names_it_too(world: Path, kind: str, member: str, answer: str, words: str) -> None:
    (world / "zoo.toml").write_text(recipe_of(kind, member, answer))
    done = gdp_command("run", "zoo.toml", "--dry-run", "--plugins-dir", ZOO, cwd=world)
    (told,) = [line for line in done.stdout.splitlines() if "FAIL" in line]
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert f"{kind} zoo-{kind} ({ZOO / 'zoo.py'}): " in told and words in told, told
