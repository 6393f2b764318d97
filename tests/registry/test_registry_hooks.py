"""Hooks: plugins are told of a run's life and cannot break it; every hook is documented."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gdp
from gdp.core import hookspecs
from gdp.core.errors import PluginError
from gdp.core.records import KINDS, PLAIN_KINDS, PlainKind, PlainRecord
from gdp.registry import PluginRegistry
from gdp.registry.hook_checks import HOOK_ARGUMENTS


def test_a_listener_that_raises_is_logged_once_and_left_out(
    install: Any, make_package: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    good = "import gdp\nheard = []\n@gdp.hookimpl\ndef gdp_run_finished(outcome): heard.append(outcome)\n"
    bad = "import gdp\ncalls = []\n@gdp.hookimpl\ndef gdp_run_finished(run):\n    calls.append(1)\n    exit(3)\n"
    install(make_package(good, "good"), make_package(bad, "bad"))
    registry = PluginRegistry.discover()
    with caplog.at_level(logging.WARNING):
        for outcome in ("stopped", "finished"):
            registry.notify("gdp_run_finished", run=None, outcome=outcome)
    assert sys.modules["gdp_good_module"].heard == ["stopped", "finished"]
    assert sys.modules["gdp_bad_module"].calls == [1]
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "plugin gdp-bad:bad failed in gdp_run_finished"
    ]


def test_listening_from_python() -> None:
    class Listener:
        def __init__(self) -> None:
            self.steps: list[int] = []

        @gdp.hookimpl
        def gdp_metrics(self, step: int, metrics: dict[str, float]) -> None:
            self.steps.append(step)

    registry, listener = PluginRegistry(), Listener()
    registry.listen(listener, "test")
    registry.notify("gdp_metrics", run=None, stage="train", step=4, metrics={})
    assert listener.steps == [4]
    with pytest.raises(PluginError, match="it has no hooks"):
        registry.listen(object(), "nothing")
    with pytest.raises(ValueError, match="gdp_metrics is no hook with the arguments step"):
        registry.notify("gdp_metrics", step=4)


@pytest.mark.parametrize("hook", HOOK_ARGUMENTS)
def test_every_hook_and_argument_is_documented(hook: str) -> None:
    text = getattr(hookspecs, hook).__doc__
    assert text.strip().endswith((".", "user) or `failed`."))
    arguments = text.partition("Args:")[2]
    for argument in HOOK_ARGUMENTS[hook]:
        assert f"\n        {argument}: " in arguments


def test_every_kind_has_its_registration_hook() -> None:
    kinds = (*KINDS, *PLAIN_KINDS, "download")
    hooks = {hook for hook in HOOK_ARGUMENTS if hook.startswith("gdp_register_")}
    assert hooks == {f"gdp_register_{kind.replace('-', '_')}{'es' if kind == 'loss' else 's'}" for kind in kinds}


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_an_implementation_of_another_sort_is_refused_for_every_kind_without_settings(kind: PlainKind) -> None:
    record = PlainRecord(kind, "odd", "Odd", "pathlib:Path", package="gdp-odd")
    with pytest.raises(
        PluginError, match=rf"{kind} odd \(gdp-odd\): pathlib:Path (is type, not a|does not derive from)"
    ):
        PluginRegistry().load(record)
