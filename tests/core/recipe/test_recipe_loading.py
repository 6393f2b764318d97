"""A recipe is checked whole: every mistake at once, each with its line and what to do."""

import os
import stat
from pathlib import Path

import pytest
from recipe_plugins import VALID, VALID_STAGE, VALID_TEACHER, FixedPlugins

from gdp.core.errors import RecipeError
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.tools.teacher_recipe import is_teacher_recipe, load_teacher_recipe

PLUGINS = FixedPlugins()


def load(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_bytes(text.encode())
    return load_recipe(path, PLUGINS, overrides)


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load(folder, text, *overrides)
    return str(caught.value).replace(str(folder) + os.sep, "").splitlines()


def changed(old: str, new: str) -> str:
    assert VALID.count(old) == 1
    return VALID.replace(old, new)


def test_a_valid_recipe_becomes_choices_of_records_sections_and_settings(tmp_path: Path) -> None:
    recipe = load(tmp_path, VALID)
    assert (recipe.name, recipe.seed, recipe.train.steps, recipe.train.betas) == ("age", 7, 15, (0.5, 0.9))
    assert recipe.teacher is not None
    assert recipe.teacher.config.weights == "builtin:faces64"
    assert [choice.record.name for choice in recipe.filters] == ["face-attributes", "band"]
    assert [choice.section.weight for choice in recipe.losses] == [20, 1]
    assert recipe.path == tmp_path / "recipe.toml"


def test_all_mistakes_are_told_at_once_in_file_order_with_lines(tmp_path: Path) -> None:
    text = (
        VALID.replace("min_age = 18", "min_agee = 18")
        .replace("width = 8", 'width = "wide"')
        .replace('plugin = "l1"', 'plugin = "l3"')
        .replace("batch = 4", "batch = 0")
        .replace("seed = 7", "sead = 7")
        .replace('direction = "builtin:age"\n', "")
    )
    assert mistakes(tmp_path, text) == [
        "recipe.toml:3: sead: unknown section, did you mean seed?",
        "recipe.toml:9: pairs.direction: missing: Which edit.",
        "recipe.toml:15: filters[0].min_agee: unknown key, did you mean min_age?",
        'recipe.toml:23: student.width: expected a whole number, got "wide"',
        "recipe.toml:26: losses[0].plugin: no loss plugin is called l3",
        "recipe.toml:38: train.batch: must be at least 1, got 0",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("count = 20", "cuont = 20", "unknown key, did you mean count?"),
        (
            'plugin = "pix2pixhd"',
            'plugin = "pix2pixhd"\nresolution = 512',
            "student.resolution: unknown key, which belongs to [pairs]",
        ),
        (
            'plugin = "pix2pixhd"',
            'plugin = "pix2pixhd"\nsteps = 5',
            "student.steps: unknown key, which belongs to [train]",
        ),
        ("[student]", "[[student]]", "write [student] with single brackets"),
        ("[[evaluators]]", "[evaluators]", "write [[evaluators]] with double brackets"),
        ('plugin = "held-out"', "", 'evaluators[0].plugin: missing: choose "held-out"'),
        ('plugin = "held-out"', "plugin = 3", "expected a name in quotes, got 3"),
        ("steps = 15", "", "train: give either steps or epochs"),
        ("steps = 15", "steps = 15\nepochs = 2", "train: give either steps or epochs; --set train.epochs= "),
        ("width = 8", 'width = "8"', "student.width: expected a number, without quotes"),
        ("width = 8", "width = true", "student.width: expected a number, without quotes"),
        ("width = 8", 'predicts = "chnage"', 'must be "image" or "change", got "chnage"'),
        ("band.low = 0.25", "band.lowest = 0.25", "filters[1].band.lowest: unknown key, did you mean low?"),
        ("band.low = 0.25", "band.low = 2", "filters[1].band: low must not exceed high"),
        ("band.low = 0.25", "bands.red.hihg = 2", "filters[1].bands.red.hihg: unknown key, did you mean high?"),
        ("weight = 20", "weight = nan", "weight: "),
        ('name = "age"', 'name = "../age"', "recipe.toml:2: name: "),
        ('name = "age"', "", "name: missing: Name of the run"),
        ('plugin = "pix2pixhd"', 'plugin = "pix2pixhd"\n"odd\\u001bkey" = 1', 'student."odd\\u001bkey": unknown key'),
    ],
)
def test_each_sort_of_mistake_says_what_to_do(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = mistakes(tmp_path, changed(old, new))
    assert len(found) == 1
    assert expected in found[0]


def test_missing_sections_name_the_plugins_to_choose_from(tmp_path: Path) -> None:
    found = mistakes(tmp_path, 'name = "x"\n')
    assert 'recipe.toml: student: missing: add [student] with plugin = "pix2pixhd" (the network to train)' in found
    assert any('plugin = "feature-matching" or "l1"' in line for line in found)
    assert any("pairs: missing" in line for line in found)


def test_lines_are_right_whatever_the_layout(tmp_path: Path) -> None:
    text = (
        'name = """\nage\n[student]\nwidth = 1\n"""\r\n'
        "'seed' = 7\n"
        '"pairs" . plugin = "latent-direction" # x = [\n'
        "pairs.direction = 'a ] \\'\n"
        "filters = [\n  # [student]\n  {plugin = 'band', band = {low = '#'}},\n]\n"
        "[ student ]\n\n  plugin = 'pix2pixhd'\n\n\n  width = -1"
        "\n[[ losses ]]\nplugin='l1'\n[[losses]] # two\nplugin='l1'\nweight=-1\n[train]\nsteps=0\n"
    )
    found = [line.split(": ")[:2] for line in mistakes(tmp_path, text)]
    assert found == [
        ["recipe.toml:1", "name"],
        ["recipe.toml:9", "filters[0].band.low"],
        ["recipe.toml:18", "student.width"],
        ["recipe.toml:23", "losses[1].weight"],
        ["recipe.toml:25", "train.steps"],
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name = ", "recipe.toml:1: this is not TOML: Invalid value"),
        (b'name = "x"\nname = "y"', "recipe.toml:2: this is not TOML: Cannot overwrite a value"),
        (b'name = "x"\n# caf\xe9', "recipe.toml:2: not UTF-8 text"),
        (b"x = " + b"[" * 100_000, "nested too deeply"),
        (b"a" + b".a" * 100 + b" = 1", "nested deeper than 32"),
        (b"# long\n" * 200_000, "larger than 1,000,000 bytes"),
        (b"seed = " + b"9" * 5000, "this is not TOML"),
        (b"", "name: missing"),
    ],
)
def test_what_is_no_recipe_is_refused_in_a_sentence(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, PLUGINS)
    assert expected in str(caught.value)


def test_numbers_of_thousands_of_digits_are_no_traceback(tmp_path: Path) -> None:
    assert "seed" in mistakes(tmp_path, changed("seed = 7", f"seed = 0x{'f' * 9000}"))[0]
    text = changed('plugin = "band"\nband.low = 0.25', f'plugin = "anything"\nanything = 0x{"f" * 9000}')
    assert "filters[1]: plugin anything (test-package) failed" in mistakes(tmp_path, text)[0]


def test_a_file_that_cannot_be_read_is_one_mistake(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(VALID)
    for path, expected in (
        (tmp_path / "recipes.toml", f"no such file, did you mean {tmp_path / 'recipe.toml'}?"),
        (tmp_path, "this is a folder"),
        (tmp_path / "recipe.toml" / "below", "cannot be read"),
        (tmp_path / "nul\0", "cannot be read"),
    ):
        with pytest.raises(RecipeError, match=expected.replace("\0", "").replace("?", r"\?")):
            load_recipe(path, PLUGINS)


def test_a_path_of_a_name_that_is_no_text_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(VALID)
    assert load_recipe(path, PLUGINS).name == "age", "nothing in it leads from there"
    path.write_text(VALID.replace("builtin:faces64", "faces.safetensors"))
    with pytest.raises(RecipeError, match=r"teacher\.weights: .*caf\\udce9.*not UTF-8 text; rename it"):
        load_recipe(path, PLUGINS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(VALID)
    path.chmod(stat.S_IWUSR)
    with pytest.raises(RecipeError, match="Permission denied"):
        load_recipe(path, PLUGINS)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + VALID).name == "age"


def test_paths_are_resolved_against_the_recipes_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = changed('"builtin:faces64"', '"../weights.safetensors"').replace(
        "min_age = 18", 'references = ["a.png", "/b.png", "~/c.png", "builtin:d"]'
    )
    (tmp_path / "recipes" / "recipe.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(Path("recipes/recipe.toml"), PLUGINS)
    data = recipe.to_data()
    assert data["teacher"]["weights"] == str(tmp_path / "weights.safetensors")
    assert data["filters"][0]["references"] == [
        str(tmp_path / "recipes" / "a.png"), "/b.png", str(tmp_path / "home" / "c.png"), "builtin:d",
    ]  # fmt: skip
    assert load(tmp_path, changed("builtin:faces64", "https://example.org/a//b")).to_data()["teacher"]["weights"] == (
        "https://example.org/a//b"
    )


def test_a_path_with_nul_is_a_mistake(tmp_path: Path) -> None:
    assert "NUL" in mistakes(tmp_path, changed("builtin:faces64", "a\\u0000b"))[0]


def test_the_resolved_recipe_loads_to_the_same_from_any_folder(tmp_path: Path) -> None:
    recipe = load(tmp_path, changed("builtin:faces64", "weights.safetensors"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = load(elsewhere, recipe.to_toml())
    assert again.to_data() == recipe.to_data()
    assert again.to_data()["train"]["learning_rate"] == 2e-4
    assert again.to_data()["losses"][1]["weight"] == 1.0


def test_overrides_set_add_and_take_out_keys(tmp_path: Path) -> None:
    recipe = load(
        tmp_path, VALID, "train.steps=", "train.epochs=2.5", "filters.0.min_age=21", "filters[1].band.high=0.5",
        "student.predicts=image", "filters[2].plugin=band", "losses[0]=", "name=other", "train.betas=[0.1, 0.2]",
    )  # fmt: skip
    data = recipe.to_data()
    assert (data["name"], data["train"]["steps"], data["train"]["epochs"]) == ("other", None, 2.5)
    assert data["train"]["betas"] == [0.1, 0.2]
    assert data["filters"][0]["min_age"] == 21
    assert data["filters"][1]["band"] == {"low": 0.25, "high": 0.5}
    assert [entry["plugin"] for entry in data["filters"]] == ["face-attributes", "band", "band"]
    assert [entry["plugin"] for entry in data["losses"]] == ["feature-matching"]
    assert data["student"]["predicts"] == "image"


def test_a_limit_of_memory_is_read_written_back_and_left_out_where_there_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, VALID).limits.memory_bytes is None
    assert "limits" not in load(tmp_path, VALID).to_data()
    limited = load(tmp_path, VALID, "limits.memory=1.5GB")
    assert limited.limits.memory_bytes == 1_500_000_000
    assert load(tmp_path, limited.to_toml()).limits == limited.limits


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.steps", "write it as KEY=VALUE"),
        ("train..steps=2", "this is no key"),
        ("=2", "this is no key"),
        ("filters[9].min_age=2", "filters has 2 entries"),
        ("filters.min_age=2", "filters[0].min_age"),
        (
            "seed.deeper=2",
            "seed holds a value, not a table; to put a table there write --set 'seed={ deeper = VALUE }'",
        ),
        ('name="open', "begins like a TOML string"),
        ("pairs.count=2000000000", "pairs.count: must be at most 10000000, got 2000000000"),
        ("train.stepps=2", "train.stepps: unknown key, did you mean steps? (given by --set)"),
        ("train.steps=many", 'train.steps: expected a whole number, got "many" (given by --set)'),
        ("student.width=0", "student.width: must be at least 1, got 0 (given by --set)"),
        (
            "limits.memory=lots",
            "limits.memory: write an amount of memory of 1 MiB or more, as 4GB or 512MB; got 'lots'",
        ),
        ("limits.memmory=4GB", "limits.memmory: unknown key, did you mean memory?"),
        ("name=a\nseed=3", "name: "),
        ("name=\udcff", "name: this is not UTF-8 text"),
        ("teacher.weights=caf\udce9.safetensors", "teacher.weights: this is not UTF-8 text"),
        ("a" + ".a" * 50 + "=1", "has more than 32 parts"),
        ("train=" + "[" * 40 + "]" * 40, "nests tables deeper"),
    ],
)
def test_wrong_overrides_are_mistakes_like_any_other(tmp_path: Path, override: str, expected: str) -> None:
    found = mistakes(tmp_path, VALID, override)
    assert any(expected in line for line in found)
    assert "".join(found).encode()


def test_keys_are_given_by_the_name_of_a_variable_and_never_echoed(tmp_path: Path) -> None:
    good = changed('weights = "builtin:faces64"', 'weights = "builtin:faces64"\napi_key = "MY_KEY"')
    assert load(tmp_path, good).to_data()["teacher"]["api_key"] == "MY_KEY"
    for value in ('"sk-123secret456"', "12345678", '["sk-123secret456"]', '"lower_case_name"'):
        text = good.replace('"MY_KEY"', value)
        found = mistakes(tmp_path, text)
        assert len(found) == 1
        assert "teacher.api_key: expected the NAME of an environment variable" in found[0]
        assert not any(part in found[0] for part in ("123", "lower_case_name"))
    assert "12345" not in "".join(mistakes(tmp_path, good.replace("api_key", "api_kye").replace("MY_KEY", "12345")))


@pytest.mark.parametrize(
    ("value", "reason"), [(1, "RuntimeError: boom with"), (2, "SystemExit"), (3, "cannot be shown")]
)
def test_a_plugin_whose_check_explodes_is_named(tmp_path: Path, value: int, reason: str) -> None:
    text = changed('plugin = "band"\nband.low = 0.25', f'plugin = "hostile"\nvalue = {value}\nband = 2')
    first, second = mistakes(tmp_path, text)
    assert "plugin hostile (test-package) failed to check its settings" in first
    assert reason in first
    assert "\x1b" not in first
    assert "filters[1].band: unknown key" in second


def test_settings_that_cannot_be_written_down_are_refused(tmp_path: Path) -> None:
    text = changed('plugin = "band"\nband.low = 0.25', 'plugin = "anything"\nanything = nan')
    assert "filters[1].anything: must be a finite number" in mistakes(tmp_path, text)[0]


def test_teacher_recipes_are_checked_by_the_plugins_training_settings(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(VALID_TEACHER)
    recipe = load_teacher_recipe(path, PLUGINS, ["train.images=600"])
    assert recipe.teacher.name == "stylegan"
    data = recipe.to_data()
    assert data["train"] == {"images": 600}
    assert data["dataset"] == {"plugin": "image-folder", "folder": str(tmp_path / "faces")}
    again = tmp_path / "again.toml"
    again.write_text(recipe.to_toml())
    assert load_teacher_recipe(again, PLUGINS).to_data() == data
    path.write_text(VALID_TEACHER.replace('folder = "faces"\n', ""))
    assert load_teacher_recipe(path, PLUGINS).to_data()["dataset"]["folder"] == str(tmp_path / "pictures")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"stylegan"', '"untrainable"', "teacher.plugin: untrainable cannot be trained; stylegan can"),
        ('"stylegan"', '"stylegan"\nweights = "x"', "belong into [train]"),
        ("images = 500", "imagse = 500", "train.imagse: unknown key, did you mean images?"),
        ("[train]", "[student]\n[train]", "student: this section belongs to a recipe of gdp run"),
        ('[teacher]\nplugin = "stylegan"', "", "teacher: missing"),
        ('[teacher]\nplugin = "stylegan"', "teacher = 3", "teacher: expected a table"),
        ('plugin = "image-folder"', "", 'dataset.plugin: missing: choose "image-folder"'),
    ],
)
def test_mistakes_in_teacher_recipes(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = tmp_path / "train.toml"
    path.write_text(VALID_TEACHER.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        load_teacher_recipe(path, PLUGINS)
    assert expected in str(caught.value)


def test_the_two_sorts_of_recipe_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(VALID_TEACHER)
    assert is_teacher_recipe(path)
    path.write_text(VALID)
    assert not is_teacher_recipe(path)


def test_a_recipe_chooses_further_stages(tmp_path: Path) -> None:
    recipe = load(tmp_path, VALID_STAGE)
    assert [(choice.record.name, choice.config.width) for choice in recipe.stages] == [("archive", 4)]
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    assert load_recipe(tmp_path / "again.toml", PLUGINS).stages == recipe.stages
    assert recipe.choices()[-1] == recipe.stages[0]
    assert "stages" not in load(tmp_path, VALID).to_data()


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ('[[stages]]\nplugin = "archive"', "recipe.toml:47: stages[1]: the stage archive is chosen twice"),
        ('[[stages]]\nplugin = "report"', "recipe.toml:47: stages[1]: every run has the stage report: leave this out"),
        ('[[stages]]\nplugin = "nothing"', "recipe.toml:48: stages[1].plugin: no stage plugin is called nothing"),
        ("[[stages]]\nplugin = 3", 'stages[1].plugin: expected a name in quotes, got 3: choose "archive"'),
        (
            '[[stages]]\nplugin = "archive"\nwidht = 3',
            "recipe.toml:49: stages[1].widht: unknown key, did you mean width?",
        ),
    ],
)
def test_mistakes_in_further_stages(tmp_path: Path, section: str, expected: str) -> None:
    assert expected in "\n".join(mistakes(tmp_path, VALID_STAGE + section))


def test_a_stage_chosen_twice_is_told_where_it_stands_beside_another_mistake(tmp_path: Path) -> None:
    text = VALID_STAGE.replace("width = 4", "width = 0") + '[[stages]]\nplugin = "archive"'
    assert [line.split(": ")[1] for line in mistakes(tmp_path, text)] == ["stages[0].width", "stages[1]"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("\n".join(f"k{number} = 1" for number in range(80_000)), "79,950 more unknown sections"),
        (
            "[student]\nplugin = 'pix2pixhd'\n" + "\n".join(f"k{n} = 1" for n in range(80_000)),
            "79,950 more unknown keys",
        ),
        ("a" + ".a" * 400_000 + " = 1", "nested too deeply"),
        ("name = '" + "x" * 900_000 + "'", "at most 100 characters"),
    ],
    ids=["sections", "keys", "depth", "length"],
)
def test_a_recipe_of_a_megabyte_is_refused_in_a_page(written: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, written)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 30_000
