import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.plugins.cyclegan.conversion import clean_state, discriminator_from_state, generator_from_state
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.support.foreign import read_state

SHARED = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden").parent
COMPRESSED = SHARED / "real" / "cyclegan_h2z_compressed"

CHANNELS = [
    GeneratorChannels.uniform(4, 2),
    GeneratorChannels(5, 6, 12, (7, 3, 9), 4, 8),
    GeneratorChannels(5, 6, 12, (), 4, 8),
]


def make(channels=CHANNELS[0], **settings):
    torch.manual_seed(0)
    return ResnetGenerator(channels, **settings)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(
    ("norm", "upsampling", "separable", "dropout"),
    list(
        itertools.product(
            ["instance", "batch", "instance-tracked"], ["deconvolution", "resize"], [False, True], [None, 0.0]
        )
    ),
)
def test_the_architecture_is_told_by_the_tensors_alone(channels, norm, upsampling, separable, dropout):
    made = make(channels, norm=norm, upsampling=upsampling, separable=separable, dropout=dropout, in_channels=6).eval()
    loaded = generator_from_state(made.state_dict())
    assert loaded.channels == channels
    assert (loaded.norm, loaded.upsampling, loaded.in_channels) == (norm, upsampling, 6)
    if channels.middle:  # without blocks there is nothing to separate or to drop
        assert (loaded.separable, loaded.dropout) == (separable, dropout)
    assert not loaded.training
    x = torch.randn(1, 6, 8, 12)
    torch.testing.assert_close(loaded(x), made(x), rtol=0, atol=0)


def test_a_generator_of_changes_is_told_by_a_tensor_of_its_own():
    made = make(predicts="change").eval()
    torch.nn.init.normal_(made.head.weight, std=0.02)
    half = {name: tensor.half() for name, tensor in made.state_dict().items()}
    loaded = generator_from_state(half)
    assert loaded.predicts == "change"
    x = torch.rand(1, 3, 8, 12) * 2 - 1
    torch.testing.assert_close(loaded(x), made(x), rtol=0, atol=0.01)
    assert generator_from_state(make().state_dict()).predicts == "image"


@pytest.mark.parametrize("norm", ["instance", "batch", "instance-tracked"])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_discriminator_is_told_by_its_tensors(norm, layers):
    made = PatchDiscriminator(in_channels=6, width=3, layers=layers, norm=norm).eval()
    x = torch.randn(1, 6, 64, 64)
    torch.testing.assert_close(discriminator_from_state(made.state_dict())(x), made(x), rtol=0, atol=0)


def test_a_bias_before_a_batch_norm_is_loaded_too():
    assert generator_from_state(make(norm="batch", bias=True).state_dict()).bias
    assert not generator_from_state(make(norm="batch").state_dict()).bias


def test_loading_draws_no_random_numbers_and_shares_no_memory():
    state = make().state_dict()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    loaded = generator_from_state(state)
    torch.testing.assert_close(torch.rand(1), expected)
    before = state["model.1.bias"].clone()
    with torch.no_grad():
        loaded.get_parameter("model.1.bias").add_(1)
    torch.testing.assert_close(state["model.1.bias"], before)


def test_half_precision_is_loaded_as_float32():
    state = {name: tensor.half() for name, tensor in make().state_dict().items()}
    assert {parameter.dtype for parameter in generator_from_state(state).parameters()} == {torch.float32}


def old_state(norm="instance-tracked"):
    generator = make(norm=norm)
    generator.train()(torch.randn(1, 3, 16, 16))
    return {f"module.{name}": tensor for name, tensor in generator.state_dict().items()}


def test_old_files_lose_their_prefix_and_the_statistics_of_instance_norm():
    cleaned = clean_state(old_state())
    assert list(cleaned) == list(make().state_dict())
    assert generator_from_state(cleaned).norm == "instance"


def test_running_statistics_are_used_on_request():
    cleaned = clean_state(old_state(), "use")
    loaded, x = generator_from_state(cleaned), torch.randn(1, 3, 16, 16)
    assert loaded.norm == "instance-tracked"
    assert (loaded(x) - generator_from_state(clean_state(old_state()))(x)).abs().max() > 1e-3


def test_batch_norm_keeps_its_statistics():
    assert list(clean_state(old_state("batch"))) == list(make(norm="batch").state_dict())


@pytest.mark.parametrize("norm", ["batch", "instance-tracked"])
def test_files_of_before_batches_were_counted_are_loaded(norm):
    state = {name: tensor for name, tensor in make(norm=norm).state_dict().items() if "num_batches" not in name}
    assert generator_from_state(state).norm == norm


def broken(change):
    state = dict(make().state_dict())
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("model.1.weight"), "model.1.weight is missing"),
        (lambda state: state.pop("model.4.bias"), "1 tensors are missing: model.4.bias"),
        (lambda state: state.update({"model.9.weight": torch.ones(2)}), "1 tensors are not known: model.9.weight"),
        (
            lambda state: state.update({"model.11.conv_block.5.weight": torch.ones(16, 9, 3, 3)}),
            r"model.11.conv_block.5.weight has shape \(16, 9, 3, 3\) instead of \(16, 16, 3, 3\)",
        ),
        (lambda state: state.update({"model.7.weight": torch.ones(3)}), r"model.7.weight has shape \(3,\)"),
        (lambda state: state["model.7.bias"].fill_(float("nan")), "model.7.bias holds NaN or infinite values"),
        (lambda state: state.update({"model.2.weight": torch.ones(4)}), "affine instance norm is not supported"),
        (lambda state: state.clear(), "model.1.weight is missing"),
        (lambda state: state.pop("model.10.conv_block.1.weight"), "model.10.conv_block.1.weight is missing"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(CorruptFileError, match=f"not the weights of CycleGAN's ResNet generator.*{message}"):
        generator_from_state(broken(change))


def test_a_generator_is_no_discriminator_and_the_other_way_round():
    with pytest.raises(CorruptFileError, match=r"patch discriminator: model\.0\.weight is missing"):
        discriminator_from_state(make().state_dict())
    with pytest.raises(CorruptFileError, match=r"ResNet generator: .* is missing"):
        generator_from_state(PatchDiscriminator(width=2).state_dict())


def test_a_pixel_discriminator_is_refused():
    state = {"model.0.weight": torch.ones(4, 3, 1, 1), "model.0.bias": torch.ones(4)}
    with pytest.raises(CorruptFileError, match=r"model\.0\.weight has shape \(4, 3, 1, 1\) instead of \(4, 3, 4, 4\)"):
        discriminator_from_state(state)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_every_kind_of_file_is_read(tmp_path, kind):
    state = make().state_dict()
    path = tmp_path / ("net.safetensors" if kind == "safetensors" else "net.pth")
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    read = read_state(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, kind, share):
    test_every_kind_of_file_is_read(tmp_path, kind)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorruptFileError, match=r"no whole file of weights|cannot be read as weights"):
        read_state(path)


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


@pytest.mark.parametrize("legacy", [True, False])
def test_code_in_a_file_never_runs(tmp_path, monkeypatch, legacy):
    monkeypatch.chdir(tmp_path)
    torch.save({"model.1.weight": Trap()}, tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap()))
    for name in ("net.pth", "plain.pt"):
        with pytest.raises(CorruptFileError, match=r"it names .*Nothing in it was run"):
            read_state(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [torch.ones(2), {"epoch": 3}, {"net": {"model.1.bias": torch.ones(2)}}, [1]])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(CorruptFileError, match="no plain state dict"):
        read_state(tmp_path / "net.pth")


def test_an_absent_file_and_a_foreign_suffix_are_told_apart(tmp_path):
    with pytest.raises(MissingResourceError, match="no such file"):
        read_state(tmp_path / "net.pth")
    (tmp_path / "net.pkl").touch()
    with pytest.raises(CorruptFileError, match=r"from \.safetensors, \.pth and \.pt files only"):
        read_state(tmp_path / "net.pkl")


@pytest.mark.skipif(not COMPRESSED.is_dir(), reason=f"no published compressed network at {COMPRESSED}")
def test_a_published_compressed_network_reproduces_its_pictures():
    generator = generator_from_state(clean_state(read_state(COMPRESSED / "latest_net_G.pth")))
    assert generator.channels == GeneratorChannels(16, 32, 128, (64,) * 3 + (128,) * 6, 32, 16)
    assert generator.separable
    with np.load(COMPRESSED / "reference_io.npz") as reference:
        x, y = torch.from_numpy(reference["x"]), torch.from_numpy(reference["y"])
    with torch.no_grad():
        torch.testing.assert_close(generator(x), y, rtol=0, atol=1e-4)
