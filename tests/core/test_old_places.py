"""What a plugin of this API version was told to import keeps working, with a word about its new place."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import gdp
import gdp.toolbox
from gdp.core.pairs import PairStore


@pytest.mark.parametrize(
    ("module", "name", "now"),
    [
        ("gdp.core.batching", "in_fixed_chunks", "gdp.toolbox.in_fixed_chunks"),
        ("gdp.core.deployment.network", "PictureNetwork", "gdp.PictureNetwork"),
        ("gdp.core.interfaces.engines", "Pictures", "gdp.PictureArray"),
        ("gdp.core.interfaces.engines", "Translate", "gdp.Translate"),
        ("gdp.core.interfaces.engines", "EngineContext", "gdp.EngineContext"),
    ],
)
def test_an_old_place_gives_the_same_thing_and_a_warning(module: str, name: str, now: str) -> None:
    home, _, new_name = now.rpartition(".")
    with pytest.warns(DeprecationWarning, match=home):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(home), new_name)


@pytest.mark.parametrize("module", ["gdp.core.batching", "gdp.core.deployment.network", "gdp.core.interfaces.engines"])
def test_a_name_that_was_never_there_is_none(module: str) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = importlib.import_module(module).nonsense


@pytest.mark.parametrize("name", ["CorruptFileError", "GdpError", "MissingResourceError", "PluginError"])
def test_errors_are_the_same_in_their_module_and_in_the_public_face(name: str) -> None:
    assert getattr(importlib.import_module("gdp.core.errors"), name) is getattr(gdp, name)


@pytest.mark.parametrize("name", ["PairBatch", "PairRecord", "Verdict"])
def test_pairs_are_the_same_in_their_module_and_in_the_public_face(name: str) -> None:
    assert getattr(importlib.import_module("gdp.core.pairs"), name) is getattr(gdp, name)


@pytest.mark.parametrize("face", [gdp, gdp.toolbox])
def test_every_public_name_is_there_and_is_offered_by_completion(face: object) -> None:
    for name in face.__all__:
        assert getattr(face, name) is not None
    assert set(face.__all__) <= set(dir(face))
    assert not {"Any", "TYPE_CHECKING", "annotations", "import_module"} & set(dir(face))


def test_repairing_a_store_from_python_still_works_and_warns(tmp_path: Path) -> None:
    with PairStore.open(tmp_path):
        pass
    with pytest.warns(DeprecationWarning, match="gdp pairs RUN --repair"):
        assert PairStore.repair(tmp_path) == []
