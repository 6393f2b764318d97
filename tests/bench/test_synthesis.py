"""The benchmark of StyleGAN2's synthesis and projection times the same arithmetic, and writes what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import synthesis
import torch

TINY = ["--size", "16", "--width", "16", "--rounds", "2"]


@pytest.fixture(autouse=True)
def sleeping_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # what the script would leave behind in this process


@pytest.mark.training
def test_gdps_and_the_plain_search_go_the_same_way() -> None:
    both = synthesis.build(*synthesis.settings_of("config-f", synthesis.options_of(TINY)))
    search, plain = synthesis.searches(*both)
    start = search.w.detach().clone()
    for step in range(5):
        torch.testing.assert_close(search.advance(step), plain.advance(step), rtol=1e-3, atol=0)
        gradient = plain.w.grad
        assert gradient is not None
        torch.testing.assert_close(search.w.grad, gradient, rtol=1e-2, atol=1e-2 * float(gradient.abs().max()))
    assert {*plain.noise} == {*search.noise}
    assert not torch.equal(search.w, start)
    torch.testing.assert_close(search.w, plain.w, rtol=0, atol=1e-3)


@pytest.mark.training
def test_the_script_writes_times_ratios_and_what_they_were_measured_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "synthesis.json"
    threads = str(torch.get_num_threads())  # of the whole process: left as they are
    synthesis.main([*TINY, "--threads", threads, "--output", str(output)])
    assert "plain / gdp" in capsys.readouterr().out
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["machine"]["threads"] == int(threads)
    assert {name: case["resolution"] for name, case in found["cases"].items()} == {"config-f": 16, "faces64": 64}
    assert found["cases"]["config-f"]["channels"] == {"4": 16, "8": 16, "16": 16}
    for case in found["cases"].values():
        for work in (case["synthesis"], case["projection"]):
            assert 0 < work["largest_difference"] < synthesis.TOLERANCE
            for name in ("plain", "gdp"):
                assert work["milliseconds"][name]["count"] == len(work["measured_ms"][name]) == 2
                assert work["milliseconds"][name]["median"] > 0
            low, high = work["ratio"]["gdp"]["quartiles"]
            assert 0 < low <= work["ratio"]["gdp"]["median"] <= high


def test_the_script_fails_where_the_pictures_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = synthesis.build

    def moved(*arguments: object) -> object:
        ours, plain = build(*arguments)
        plain.synthesis.b8.torgb.bias.add_(0.1)
        return ours, plain

    monkeypatch.setattr(synthesis, "build", moved)
    with pytest.raises(SystemExit, match=r"config-f synthesis: .* differ by 0\.\d+"):
        synthesis.main([*TINY, "--case", "config-f", "--output", str(tmp_path / "synthesis.json")])
    assert not any(tmp_path.iterdir())
