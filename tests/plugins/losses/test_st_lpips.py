from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.plugins.losses import STLPIPSConfig, STNetwork
from gdp.plugins.losses.shift_tolerant import (
    FILES,
    ShiftTolerantDistance,
    load_distance,
    measured,
    st_lpips_protocol,
    weights_path,
)
from gdp.toolbox import read_state, reduced_to_side

REFERENCE: dict[tuple[STNetwork, int, int], tuple[float, float]] = {
    ("alex", 64, 64): (0.145840243, 0.006761634),
    ("alex", 97, 70): (0.148233086, 0.006919181),
    ("alex", 256, 256): (0.125028789, 0.004829504),
    ("vgg", 64, 64): (0.268215567, 0.029870573),
    ("vgg", 97, 70): (0.283544719, 0.026882406),
}
"""What stlpips_pytorch.stlpips.LPIPS(net, variant="shift_tolerant") of the package stlpips-pytorch 0.0.2 gives with
torch 2.15.0 on one thread in float32, for `picture(0)` against `picture(1)` and against itself moved by a pixel to the
right (torch.roll). Run once in an environment of its own, with stand-ins for IPython and torchsummary."""
REFERENCE_GRADIENT = {"alex": 0.024725483, "vgg": 0.062395158}
"""Norm of the gradient of the first of the 64 px distances by `picture(0)`, from the same run."""


def picture(seed: int, height: int, width: int) -> Tensor:
    """Waves, the same on every machine; (1, 3, H, W) in [-1, 1]."""
    y = torch.arange(height, dtype=torch.float64)[:, None]
    x = torch.arange(width, dtype=torch.float64)[None]
    waves = [
        torch.sin((0.11 + 0.07 * c + 0.031 * seed) * x + 0.5 * seed) * torch.cos((0.13 + 0.05 * c) * y - 0.3 * seed)
        + 0.35 * torch.sin(0.9 * x * (1 + 0.1 * c) + 0.7 * y + seed)
        for c in range(3)
    ]
    return (torch.stack(waves) / 1.4).float()[None]


@pytest.fixture(scope="module")
def distances() -> dict[STNetwork, ShiftTolerantDistance]:
    return {"alex": load_distance("alex"), "vgg": load_distance("vgg")}


@pytest.mark.parametrize(("network", "height", "width"), REFERENCE)
def test_distances_are_those_of_the_reference(
    distances: dict[STNetwork, ShiftTolerantDistance], network: STNetwork, height: int, width: int
) -> None:
    first, second = picture(0, height, width), picture(1, height, width)
    with torch.no_grad():
        found = distances[network](torch.cat([first, first]), torch.cat([second, first.roll(1, 3)]))
    assert found.tolist() == pytest.approx(REFERENCE[network, height, width], rel=3e-5)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_gradients_are_those_of_the_reference_and_reach_no_target(
    distances: dict[STNetwork, ShiftTolerantDistance], network: STNetwork
) -> None:
    output, target = picture(0, 64, 64).requires_grad_(), picture(1, 64, 64).requires_grad_()
    distances[network](output, target).sum().backward()
    assert output.grad is not None
    assert float(output.grad.double().norm()) == pytest.approx(REFERENCE_GRADIENT[network], rel=1e-4)
    assert target.grad is None
    assert not any(parameter.requires_grad for parameter in distances[network].parameters())


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_gradients_agree_with_differences(
    distances: dict[STNetwork, ShiftTolerantDistance], network: STNetwork
) -> None:
    output, target = picture(0, 48, 48).requires_grad_(), picture(1, 48, 48)
    (gradient,) = torch.autograd.grad(distances[network](output, target).sum(), output)
    way = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (float(distances[network](output + step * way, target)) for step in (0.004, -0.004))
    assert (ahead - behind) / 0.008 == pytest.approx(float(gradient.norm()), rel=0.05)


def test_flat_and_black_pictures_have_finite_gradients(distances: dict[STNetwork, ShiftTolerantDistance]) -> None:
    for value in (0.0, -1.0, 1.0):
        flat = torch.full((1, 3, 64, 64), value, requires_grad=True)
        distance = distances["vgg"](flat, flat.detach())
        distance.sum().backward()
        assert distance.item() == 0.0
        assert flat.grad is not None and bool(torch.isfinite(flat.grad).all())


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 24), (33, 31), (65, 130)])
@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_pictures_of_any_size_can_be_compared(
    distances: dict[STNetwork, ShiftTolerantDistance], network: STNetwork, size: tuple[int, int]
) -> None:
    output = picture(0, *size).requires_grad_()
    distance = distances[network](output, -picture(0, *size))
    distance.sum().backward()
    assert distance.shape == (1,)
    assert output.grad is not None and bool(torch.isfinite(output.grad).all())


def test_large_pictures_are_reduced_where_that_is_asked() -> None:
    large, other = picture(0, 192, 128), picture(1, 192, 128)
    reduced = load_distance("alex", 64)
    with torch.no_grad():
        small = (reduced_to_side(each, 64) for each in (large, other))
        assert float(reduced(large, other)) == pytest.approx(float(load_distance("alex")(*small)), rel=1e-5)
    assert "of 128 x 192 px, compared at a shorter side of 64 px" in st_lpips_protocol(reduced, "alex", 192, 128)
    assert "compared at their own 64 x 64 px" in st_lpips_protocol(reduced, "alex", 64, 64)
    assert "not LPIPS" in st_lpips_protocol(reduced, "alex", 64, 64)


def test_a_shift_costs_less_and_a_blur_more_than_psnr_says(distances: dict[STNetwork, ShiftTolerantDistance]) -> None:
    sharp = picture(0, 96, 96)
    shifted = sharp.roll(1, 3)
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(sharp, (1, 1, 1, 1), mode="reflect"), 3, 1)
    assert (shifted - sharp).square().mean() > (blurred - sharp).square().mean()
    with torch.no_grad():
        assert float(distances["alex"](shifted, sharp)) < 0.5 * float(distances["alex"](blurred, sharp))


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_bf16_changes_little(distances: dict[STNetwork, ShiftTolerantDistance], network: STNetwork) -> None:
    output, target = picture(0, 64, 64).requires_grad_(), picture(1, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        distance = distances[network](output, target)
    distance.sum().backward()
    assert distance.dtype == torch.float32
    assert distance.item() == pytest.approx(REFERENCE[network, 64, 64][0], rel=0.02)
    assert output.grad is not None and bool(torch.isfinite(output.grad).all())


def test_the_distance_compiles_whole(distances: dict[STNetwork, ShiftTolerantDistance]) -> None:
    compiled = torch.compile(distances["alex"], fullgraph=True, backend="aot_eager")
    output = picture(0, 64, 64).requires_grad_()
    distance = compiled(output, picture(1, 64, 64))
    distance.sum().backward()
    assert distance.item() == pytest.approx(REFERENCE["alex", 64, 64][0], rel=3e-5)
    assert output.grad is not None
    assert float(output.grad.double().norm()) == pytest.approx(REFERENCE_GRADIENT["alex"], rel=1e-3)


def test_many_pictures_are_measured_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    distance = load_distance("alex", 32)
    seen: list[int] = []
    monkeypatch.setattr("gdp.plugins.losses.shift_tolerant._AT_ONCE", 2 * 32 * 32)
    distance.register_forward_pre_hook(lambda module, arguments: seen.append(len(arguments[0])))
    pictures = torch.cat([picture(seed, 64, 64) for seed in range(5)])
    found = measured(distance, pictures, pictures.flip(0))
    assert seen == [2, 2, 1]
    assert found.dtype == torch.float64
    assert found[2] == 0


@pytest.mark.process
def test_nothing_of_the_package_is_imported() -> None:
    code = (
        "import sys; from gdp.plugins.losses.shift_tolerant import load_distance; load_distance('alex');"
        "sys.exit(any(name.startswith(('stlpips', 'IPython', 'torchsummary')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", None)
    with pytest.raises(MissingResourceError, match=r"not installed: pip install 'gdp-distill\[perceptual\]'$"):
        load_distance("vgg")


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "stlpips_pytorch"
    (package / "weights" / "vST0.0").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('this must not run')")
    torch.save({"net.slice1.0.weight": torch.zeros(1)}, package / "weights" / "vST0.0" / FILES["alex"][0])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CorruptFileError, match=r"not the file that version 0\.0\.2 of stlpips-pytorch has"):
        load_distance("alex")
    with pytest.raises(MissingResourceError, match=r"stlpips_pytorch has none: pip install"):
        load_distance("vgg")


def test_weights_of_another_network_are_refused() -> None:
    state = read_state(weights_path("alex"))
    with pytest.raises(CorruptFileError, match="no weights of ST-LPIPS with vgg: 5 layers, not 13"):
        ShiftTolerantDistance("vgg", state)
    with pytest.raises(CorruptFileError, match=r"lin4\.model\.1\.weight is missing"):
        ShiftTolerantDistance("alex", {name: value for name, value in state.items() if not name.startswith("lin4")})
    wrong = {**state, "net.slice2.5.weight": torch.zeros(192, 64, 3, 3)}
    with pytest.raises(CorruptFileError, match=r"net\.slice2\.5\.weight is \(192, 64, 3, 3\), not \(192, 64, 5, 5\)"):
        ShiftTolerantDistance("alex", wrong)


def test_the_recipes_lines_of_the_documentation_are_valid() -> None:
    page = (Path(__file__).parents[3] / "docs" / "perceptual.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```toml\n")[1:]]
    assert len(blocks) == 2
    lines = tomllib.loads("".join(blocks))
    (loss,) = (entry for entry in lines["losses"] if entry.pop("plugin") == "st-lpips")
    loss.pop("weight")  # core's
    assert STLPIPSConfig(**loss).resolution == 256
    assert lines["evaluators"] == [{"plugin": "st-lpips"}]
