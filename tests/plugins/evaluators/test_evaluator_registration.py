from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

from gdp.core.interfaces.evaluators import Evaluator
from gdp.core.recipe.messages import recipe_keys
from gdp.plugins import evaluators


def registered() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    evaluators.gdp_register_evaluators(lambda name, **settings: found.update({name: settings}))
    return found


def test_every_registered_evaluator_can_be_imported_and_needs_no_settings() -> None:
    assert set(registered()) == {
        *("held-out", "st-lpips", "speed", "slow-route", "face-attributes", "rendered-faces"),
        *("unpaired-truth", "cycle", "resnet-blocks", "flat-frames"),
    }
    for settings in registered().values():
        module, _, name = settings["implementation"].partition(":")
        assert issubclass(getattr(import_module(module), name), Evaluator)
        settings["config"]()


def test_every_setting_says_what_it_is() -> None:
    for settings in registered().values():
        for name, field in recipe_keys(settings["config"]).items():
            assert field.description, name


@pytest.mark.process
def test_registration_imports_no_torch() -> None:
    code = "import sys, gdp.plugins.evaluators; sys.exit('torch' in sys.modules or 'torchmetrics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
