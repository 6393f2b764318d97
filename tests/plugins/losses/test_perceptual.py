import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision.models import vgg19

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.plugins.losses.perceptual import LAYER_WEIGHTS, PerceptualLoss, load_vgg19_features


@pytest.fixture(scope="module")
def features():
    torch.manual_seed(0)
    with torch.device("meta"):
        features = vgg19(weights=None).features
    features.to_empty(device="cpu")
    for parameter in features.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return features


@pytest.fixture(scope="module")
def weights(features, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file({f"features.{key}": value for key, value in features.state_dict().items()}, path)
    return path


def test_the_loss_is_the_weighted_distance_of_the_five_activations(features, weights):
    output, target = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1
    expected = torch.zeros(())
    hidden, wanted = output, target
    with torch.no_grad():
        for index, module in enumerate(features[:30]):
            hidden, wanted = module(hidden.clone()), module(wanted.clone())
            if index in (1, 6, 11, 20, 29):
                expected += LAYER_WEIGHTS[(1, 6, 11, 20, 29).index(index)] * F.l1_loss(hidden, wanted)
    loss = PerceptualLoss(load_vgg19_features(weights))
    torch.testing.assert_close(loss(output, target), expected)
    assert loss(target, target).item() == 0


def test_gradient_reaches_the_output_only_and_the_network_is_frozen(weights):
    loss = PerceptualLoss(load_vgg19_features(weights), imagenet_normalisation=True)
    output = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    target = torch.zeros(1, 3, 32, 32, requires_grad=True)
    loss(output, target).backward()
    assert output.grad.abs().sum() > 0
    assert target.grad is None
    assert not any(activation.requires_grad for activation in loss.activations(target.detach()))


def test_imagenet_normalisation_maps_white_to_what_the_network_was_trained_on(features):
    loss = PerceptualLoss(features, imagenet_normalisation=True)
    plain = PerceptualLoss(features)
    white = torch.ones(1, 3, 32, 32)
    normalised = (torch.ones(3) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    got = loss.activations(white)
    for ours, expected in zip(got, plain.activations(normalised.view(1, 3, 1, 1).expand_as(white)), strict=True):
        torch.testing.assert_close(ours, expected)


def test_absent_weights_are_reported_with_what_to_do_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **kwargs: pytest.fail("a download was tried"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingResourceError, match=r"checkpoints/vgg19-dcbb9e9d\.pth is not there\. Download https"):
        load_vgg19_features()


def test_torchvisions_cache_is_used_where_it_is_filled(features, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    cached.parent.mkdir(parents=True)
    state = {f"features.{key}": value for key, value in features.state_dict().items()}
    torch.save({**state, "classifier.0.bias": torch.zeros(2)}, cached)
    assert torch.equal(load_vgg19_features()[0].weight, features[0].weight)


@pytest.mark.parametrize("name", ["truncated.safetensors", "truncated.pth"])
def test_a_truncated_file_is_reported_as_corrupt(weights, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CorruptFileError, match="cannot be read as weights"):
        load_vgg19_features(path)


def test_another_networks_weights_are_reported(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(CorruptFileError, match="does not hold the weights of torchvision's vgg19"):
        load_vgg19_features(path)
