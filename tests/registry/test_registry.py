"""One broken plugin never breaks the tool: it becomes a row with the reason and the mend, and the rest works."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gdp
from gdp.core.errors import PluginError, PluginNotFoundError
from gdp.core.records import KINDS, Needs, PluginRecord
from gdp.registry import PluginRegistry, PluginRow

BROKEN = {
    "gdp-import-error": ("import-error", "broken", "No module named 'a_module_that_is_not_installed'"),
    "gdp-misspelt-hook": (
        "misspelt-hook", "broken", "unknown hook gdp_register_filterz, did you mean gdp_register_filters?",
    ),
    "gdp-wrong-argument": ("wrong-argument", "broken", "unknown argument registry; allowed: register"),
    "gdp-clash": ("sharpness", "clash", "the filter sharpness of gdp-clash has the name of that of gdp-distill"),
    "gdp-wrong-version": ("wrong-version", "incompatible", "version 999 of the plugin interface; this gdp has"),
}  # fmt: skip

HEAD = """
import gdp
class Settings(gdp.Config):
    value: int = 0
"""


def registration(call: str, hook: str = "gdp_register_filters") -> str:
    return f"{HEAD}\n@gdp.hookimpl\ndef {hook}(register):\n    {call}\n"


def row_of(registry: PluginRegistry, package: str, status: str | None = None) -> PluginRow:
    rows = [row for row in registry.rows if row.package == package and status in (None, row.status)]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.process
def test_every_built_in_is_usable() -> None:
    registry = PluginRegistry.discover(strict=True)
    assert registry.defects == []
    for kind in KINDS:
        for record in registry.records(kind):
            assert issubclass(registry.load(record), object)
            assert record.package == "gdp-distill"


def test_broken_packages_become_rows_and_the_good_ones_work(install: Any) -> None:
    install("gdp-brightness", *BROKEN)
    registry = PluginRegistry.discover()
    for package, (name, status, reason) in BROKEN.items():
        row = row_of(registry, package, status)
        assert (row.name, row.status, row.version) == (name, status, "1.2")
        assert reason in row.reason
        assert package in row.mend or "--no-plugin" in row.mend
        assert row.entry_point
    assert "brightness" in registry.names("filter")
    assert registry.get("filter", "sharpness").package == "gdp-distill"
    assert "half-good" not in registry.names("loss"), "a module with a defect is left out whole"
    assert "not-clashing" in registry.names("filter"), "of a clash only the clashing plugin is refused"


@pytest.mark.parametrize("package", BROKEN)
def test_strict_mode_raises_at_the_first_defect(install: Any, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    install(package)
    monkeypatch.setenv("GDP_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError) as caught:
        PluginRegistry.discover()
    assert BROKEN[package][2] in str(caught.value)
    assert package in str(caught.value)
    assert str(caught.value).count("plugin interface") <= 1
    assert PluginRegistry.discover(strict=False).defects


def test_a_good_package_tells_what_it_needs_and_what_is_missing(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install("gdp-brightness")
    row = row_of(PluginRegistry.discover(), "gdp-brightness")
    assert (row.status, row.licence, row.kind) == ("ok", "MIT", "filter")
    assert row.needs == "$GDP_TEST_BRIGHTNESS_KEY, module_that_nobody_has"
    assert row.missing == row.needs
    monkeypatch.setenv("GDP_TEST_BRIGHTNESS_KEY", "value")
    assert row_of(PluginRegistry.discover(), "gdp-brightness").missing == "module_that_nobody_has"


def test_the_implementation_is_imported_when_asked_for(install: Any) -> None:
    install("gdp-brightness")
    registry = PluginRegistry.discover()
    assert "gdp_filter_brightness_filter" not in sys.modules
    loaded = registry.load(registry.get("filter", "brightness"))
    assert issubclass(loaded, gdp.Filter)


@pytest.mark.parametrize(
    ("implementation", "reason"),
    [
        ("gdp_nowhere:Filter", "no module named 'gdp_nowhere'"),
        ("module_that_nobody_has:Filter", "pip install module_that_nobody_has"),
        ("gdp_filter_brightness_filter:Nothing", "has no attribute 'Nothing'"),
        ("gdp_filter_brightness_filter:not_a_class", "is int, not a class"),
        ("gdp_filter_brightness_filter:Unfinished", "does not implement judge"),
        ("pathlib:Path", "does not derive from gdp.Filter or gdp.ScoringFilter"),
    ],
)
def test_an_implementation_that_breaks_its_contract_is_explained(
    install: Any, implementation: str, reason: str
) -> None:
    install("gdp-brightness")
    needs = Needs(modules=("module_that_nobody_has",))
    record = PluginRecord("filter", "x", "X", gdp.Config, implementation, needs, package="gdp-brightness")
    with pytest.raises(PluginError) as caught:
        PluginRegistry.discover().load(record)
    assert reason in str(caught.value)
    assert "filter x (gdp-brightness)" in str(caught.value)


@pytest.mark.parametrize("base", ["BaseException", "SystemExit", "GeneratorExit"])
def test_a_module_that_raises_no_exception_but_something_worse_is_a_row(
    install: Any, make_package: Any, base: str
) -> None:
    install(make_package(f"class PanicError({base}):\n    pass\n\n\nraise PanicError('index out of bounds')\n"))
    row = row_of(PluginRegistry.discover(), "gdp-made")
    assert (row.status, row.reason) == ("broken", "PanicError: index out of bounds")
    record = PluginRecord("filter", "x", "X", gdp.Config, "gdp_made_module:Filter", package="gdp-made")
    with pytest.raises(PluginError, match="PanicError: index out of bounds"):
        PluginRegistry.discover().load(record)


def test_no_plugin_leaves_out_by_entry_point_and_by_plugin_name(install: Any) -> None:
    install("gdp-brightness", "gdp-import-error", "gdp-clash")
    registry = PluginRegistry.discover(disabled=frozenset({"brightness", "import-error", "not-clashing"}))
    assert "gdp_filter_brightness" not in sys.modules, "a plugin disabled by its entry point is not even imported"
    assert row_of(registry, "gdp-import-error").status == "disabled"
    assert row_of(registry, "gdp-clash", "disabled").name == "not-clashing"
    assert "not-clashing" not in registry.names("filter")
    with pytest.raises(PluginNotFoundError, match="left out by --no-plugin"):
        registry.get("filter", "brightness")


def test_no_plugin_settles_a_clash_for_the_other(install: Any) -> None:
    install("gdp-clash")
    assert PluginRegistry.discover(disabled=frozenset({"clash"})).defects == []


def test_no_plugin_refuses_a_name_that_nothing_has() -> None:
    with pytest.raises(PluginNotFoundError, match="did you mean sharpness"):
        PluginRegistry.discover(disabled=frozenset({"sharpnes"}))


def test_not_found_says_what_there_is(install: Any) -> None:
    install("gdp-import-error")
    registry = PluginRegistry.discover()
    for kind, name, expected in (
        ("filter", "sharpnes", "did you mean sharpness"),
        ("filter", "l1", '"l1" is a loss, not a filter'),
        ("filter", "import-error", "cannot be used (broken): ModuleNotFoundError"),
        ("filter", "zzz", "1 installed plugins cannot be used"),
    ):
        with pytest.raises(PluginNotFoundError) as caught:
            registry.get(kind, name)
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("register('Bad Name', config=Settings, implementation='a:B', summary='x')", "lower-case words"),
        ("register('x', config=dict, implementation='a:B', summary='x')", "derived from gdp.Config"),
        ("register('x', config=Settings, implementation='a.B', summary='x')", "implementation must be text such as"),
        ("register('x', config=Settings, implementation=Settings, summary='x')", "implementation must be text"),
        ("register('x', config=Settings, implementation='a:B', summary='')", "summary must be one line"),
        ("register('x', config=Settings, implementation='a:B', summary='x', needs='gpu')", "needs must be gdp.Needs"),
        ("register('x', config=Settings, implementation='a:B', summary='x', licence=None)", "licence must be"),
        ("register('x', config=Settings, implementation='a:B', sumary='x')", "unexpected keyword argument 'sumary'"),
        ("register('x', config=Settings, implementation='a:B', summary='x', training=Settings)", "for teachers only"),
        ("[register('x', config=Settings, implementation='a:B', summary='x') for _ in range(2)]", "registered twice"),
        (
            "register('x', config=type('S', (Settings,), {'__annotations__': {'unknown': int}}), "
            "implementation='a:B', summary='x')",
            "every filter section already has",
        ),
        (
            "register('x', config=type('S', (Settings,), {'model_config': {'extra': 'ignore'}}), "
            "implementation='a:B', summary='x')",
            "must keep extra='forbid'",
        ),
        (
            "register('x', config=type('S', (Settings,), {'__annotations__': {'odd': type('Odd', (), {})}}), "
            "implementation='a:B', summary='x')",
            "Unable to generate pydantic-core schema for",
        ),
        (
            "register('x', config=type('S', (Settings,), {'__annotations__': {'later': 'NotDefined'}}), "
            "implementation='a:B', summary='x')",
            "name 'NotDefined' is not defined",
        ),
        (
            "register('x', config=type('S', (Settings,), {'__annotations__': {'name': \"Literal['a', 1, int]\"}}), "
            "implementation='a:B', summary='x')",
            "name 'Literal' is not defined",
        ),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RecursionError", "RecursionError"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "its message cannot be shown"),
    ],
)
def test_a_wrong_registration_is_reported(
    install: Any, make_package: Callable[..., Path], call: str, reason: str
) -> None:
    install(make_package(registration(call)))
    row = row_of(PluginRegistry.discover(), "gdp-made")
    assert row.status == "broken"
    assert reason in row.reason
    assert "--no-plugin made" in row.mend


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (HEAD, "it implements no hook"),
        (f"{HEAD}\ndef gdp_register_filters(register): ...", "lacks its mark: write @gdp.hookimpl"),
        (f"{HEAD}\n@gdp.hookimpl\ndef xyz(run): ...", "unknown hook xyz; the hooks are gdp_images"),
        (f"{HEAD}\n@gdp.hookimpl\ndef gdp_metric(run): ...", "unknown hook gdp_metric, did you mean gdp_metrics?"),
        (f"{HEAD}\n@gdp.hookimpl(wrapper=True)\ndef gdp_run_finished(run):\n    yield", "is a hook wrapper"),
        (f"{HEAD}\n@gdp.hookimpl\nasync def gdp_run_finished(run): ...", "is asynchronous"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("raise SystemExit('leave')", "SystemExit: leave"),
        ("this is no python", "SyntaxError"),
    ],
)
def test_a_wrong_module_is_reported(install: Any, make_package: Callable[..., Path], source: str, reason: str) -> None:
    install(make_package(source))
    row = row_of(PluginRegistry.discover(), "gdp-made")
    assert row.status == "broken"
    assert reason in row.reason


def test_all_defects_of_a_module_are_told_at_once(install: Any, make_package: Callable[..., Path]) -> None:
    source = f"{HEAD}\ndef gdp_register_filters(register): ...\n@gdp.hookimpl\ndef gdp_images(pictures): ...\n"
    install(make_package(source))
    reason = row_of(PluginRegistry.discover(), "gdp-made").reason
    assert "lacks its mark" in reason
    assert "unknown argument pictures; allowed: run, stage, step, path" in reason


def test_an_older_interface_is_asked_to_update_and_a_module_may_speak_for_its_object(
    install: Any, make_package: Callable[..., Path]
) -> None:
    source = f"{HEAD}\nGDP_API = 0\nclass Hooks:\n    pass\nhooks = Hooks()\n"
    install(make_package(source, entry="gdp_made_module:hooks"))
    row = row_of(PluginRegistry.discover(), "gdp-made")
    assert (row.status, row.mend.startswith("Update it")) == ("incompatible", True)


def test_an_object_can_be_a_plugin_and_a_class_cannot(install: Any, make_package: Callable[..., Path]) -> None:
    method = "    @gdp.hookimpl\n    def gdp_register_losses(self, register):\n"
    call = "        register('made', config=Settings, implementation='a:B', summary='x')\n"
    source = f"{HEAD}\nclass Hooks:\n{method}{call}\nhooks = Hooks()\n"
    install(make_package(source, entry="gdp_made_module:hooks"), make_package(source, "kind", "gdp_kind_module:Hooks"))
    registry = PluginRegistry.discover()
    assert registry.get("loss", "made").package == "gdp-made"
    assert "names a class" in row_of(registry, "gdp-kind").reason


def test_what_a_plugin_prints_stays_out_of_standard_output(
    install: Any, make_package: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    install(make_package("print('hello')\n" + HEAD))
    PluginRegistry.discover()
    assert capsys.readouterr().out == ""


def test_damaged_metadata_is_a_row(install: Any, make_package: Callable[..., Path]) -> None:
    folder = make_package(HEAD)
    (folder / "gdp_made-1.0.dist-info" / "entry_points.txt").write_bytes(b"[gdp]\nmade = \xff\xfe\n")
    install(folder)
    rows = PluginRegistry.discover().defects
    assert len(rows) == 1
    assert "cannot be read" in rows[0].reason
