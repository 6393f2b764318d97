"""`gdp doctor` without a run: what works here and what not, and nothing missing is called a fault."""

from __future__ import annotations

import json
import tomllib
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.run import versions as record
from gdp.registry import PluginRegistry
from gdp.tools.estimate.works import Speeds
from gdp.tools.machine import hardware, places, software
from gdp.tools.machine.places import place_facts, size_of
from gdp.tools.machine.software import EXTRAS, Extra, extra_facts, plugin_facts, version_facts
from gdp.tools.machine.speed import JOBS, judge

ROOT = Path(__file__).parents[2]


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no extra be imported that takes seconds."""
    monkeypatch.setattr(software, "EXTRAS", (Extra("emulator", "gdp azure-face-emulator", ("aiohttp",)),))


def test_the_machine_is_told_in_words_and_as_json(quick: None) -> None:
    told = json.loads(doctor("--json").stdout)
    assert told["works"] is True
    assert list(told) == ["works", "versions", "plugins", "devices", "speed", "places", "extras"]
    names = {title: [fact["name"] for fact in told[title]] for title in list(told)[1:]}
    assert {"python", "gdp-distill", "torch"} <= set(names["versions"])
    assert {"processor", "bf16", "memory", "compiler"} <= set(names["devices"])
    assert names["speed"] == ["measured", *(job.name for job in JOBS)]
    words = doctor()
    assert words.exit_code == 0
    assert "all that is installed works" in words.stdout
    for name in chain(*names.values()):
        assert f"  {name}" in words.stdout


def test_the_extras_that_are_told_are_those_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra.name for extra in EXTRAS} == set(extras) - {"dev"}
    distributions = {
        "sklearn": "scikit-learn",
        "huggingface_hub": "huggingface-hub",
        "stlpips_pytorch": "stlpips-pytorch",
        "mlflow": "mlflow-skinny",
    }
    for extra in EXTRAS:
        required = {requirement.partition(">")[0] for requirement in extras[extra.name]}
        assert {distributions.get(module, module) for module in extra.modules} == required, extra.name


def test_what_is_missing_is_told_with_what_brings_it_and_is_no_fault(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(software, "EXTRAS", (Extra("soup", "soups of pictures", ("soup_that_nobody_has", "json")),))
    (fact,) = extra_facts()
    assert (fact.value, fact.problem) == ("missing (soup_that_nobody_has): soups of pictures", False)
    result = doctor()
    assert result.exit_code == 0
    assert "missing (soup_that_nobody_has): soups of pictures -> pip install 'gdp-distill[soup]'" in result.stdout


@pytest.mark.parametrize("failure", ["raise OSError('libGL.so.1: no such file')", "raise SystemExit(3)", "1 / 0"])
def test_what_is_installed_and_cannot_be_imported_is_a_fault(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "soup_of_libraries.py").write_text(f"print('hello')\n{failure}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(software, "EXTRAS", (Extra("soup", "soups of pictures", ("soup_of_libraries",)),))
    result = doctor()
    assert result.exit_code == 1
    assert "! soup" in result.stdout
    assert "soup_of_libraries cannot be imported" in result.stdout
    assert result.stdout.rstrip().endswith("cannot work: soup")
    assert "hello" not in result.stdout
    told = json.loads(doctor("--json").stdout)
    assert (told["works"], told["extras"][0]["problem"]) == (False, True)


def test_a_plugin_that_cannot_be_used_is_a_fault() -> None:
    row = SimpleNamespace(name="blurry", package="gdp-blurry", reason="it has no such module", mend="pip install it")
    good, bad = plugin_facts(3, ["gdp-distill"], [row])
    assert (good.value, good.problem) == ("3 of gdp-distill", False)
    assert (bad.value, bad.problem) == ("of gdp-blurry cannot be used: it has no such module", True)
    assert PluginRegistry.discover().defects == []


def test_a_torch_that_cannot_be_imported_is_told_and_the_rest_with_it(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(software, "why_broken", lambda module: "no libc" if module == "torch" else "")
    found = {fact.name: fact for fact in version_facts()}
    assert (found["torch"].problem, found["numpy"].problem) == (True, False)
    result = doctor()
    assert result.exit_code == 1
    assert "and cannot be imported (no libc)" in result.stdout
    assert "places:" in result.stdout
    assert "devices:" not in result.stdout


def test_a_gpu_that_torch_cannot_use_is_a_fault_and_none_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "may_have_gpu", lambda: False)
    assert [(fact.value, fact.problem) for fact in hardware.gpu_facts()] == [("none on this machine", False)]
    monkeypatch.setattr(hardware, "may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", None)
    (fact,) = hardware.gpu_facts()
    assert (fact.value, fact.problem) == ("this torch is built for processors alone", False)
    assert "pytorch.org" in fact.mend
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(hardware, "_why", lambda: "torch cannot use it (driver too old)")
    (fact,) = hardware.gpu_facts()
    assert fact.problem
    assert "torch cannot use it (driver too old)" in fact.value


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Tue Feb 27 22:43:41 UTC 2026\n", "535.161.08"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n", "570.86.15"),
        ("something else\n", ""),
    ],
)
def test_the_drivers_version_is_read(text: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(record, "_DRIVER", tmp_path / "version")
    assert record.driver_version() == version
    monkeypatch.setattr(record, "_DRIVER", tmp_path / "nothing")
    assert record.driver_version() == ""


def test_caches_are_told_with_their_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GDP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "cache" / "deep").mkdir(parents=True)
    (tmp_path / "cache" / "deep" / "a").write_bytes(bytes(1_500_000))
    (tmp_path / "cache" / "b").write_bytes(bytes(500_000))
    found = {fact.name: fact.value for fact in place_facts()}
    assert found["weights"].startswith(f"{tmp_path}/cache: 2 MB (")
    assert found["torch's cache"].startswith(f"{tmp_path}/torch/hub/checkpoints: nothing yet")
    assert found["runs"].startswith("runs: nothing yet")
    assert "free" in found["disk here"]
    assert size_of(tmp_path / "cache" / "b") == 500_000
    assert size_of(tmp_path / "nowhere") == 0
    monkeypatch.setattr(places, "FULL", 10**18)
    assert all(fact.mend and not fact.problem for fact in place_facts() if fact.name.startswith("disk"))


def test_a_fast_machine_is_told_to_be_one_and_what_does_not_fit_is_told() -> None:
    slow, fast = (
        Speeds(macs=rate, half_macs=8 * rate, bytes=rate / 10, kernel=1e-5, overlaps=True) for rate in (5e10, 5e13)
    )
    small, large, picture = JOBS
    assert judge(small, slow, 1e10).value.startswith("in the order of minutes: ")
    assert judge(large, slow, 1e10).value.startswith("in the order of months: ")
    assert "gdp estimate" in judge(large, slow, 1e10).mend
    assert judge(large, fast, 1e10).value.startswith("in the order of hours: ")
    assert judge(large, fast, 1e10).mend == ""
    assert judge(large, fast, 2e9).value.startswith("does not fit: ")
    assert judge(picture, slow, 1e10).value.startswith("4.35 s: ")


def test_to_repair_names_a_run() -> None:
    result = doctor("--repair")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--repair mends a run: name it" in result.stderr
