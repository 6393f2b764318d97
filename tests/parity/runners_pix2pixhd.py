"""Recompute the golden pix2pixHD cases with this project's networks and losses.

A runner takes a case of the index and all tensors of its file, and returns this project's tensors under the names of
the file's `output.` tensors, all of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pix2pixhd_instances import Encoder, instance_edges, one_hot_labels
from torch import Tensor, nn

from gdp.plugins.losses.terms import (
    LSGAN,
    NON_SATURATING,
    discriminator_loss,
    feature_matching_loss,
    feature_matching_terms,
    generator_loss,
)
from gdp.plugins.pix2pixhd.networks import GlobalGenerator, LocalEnhancer, MultiscaleDiscriminator, halve

Tensors = dict[str, Tensor]
Runner = Callable[[Mapping[str, Any], Tensors], Tensors]


def loaded(network: nn.Module, tensors: Tensors, prefix: str = "weights.") -> nn.Module:
    """The network with the file's weights, every key accounted for, in evaluation mode."""
    state = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    network.load_state_dict(state, strict=True)
    return network.eval()


def watch(network: nn.Module, names: list[str]) -> Tensors:
    """Fill the returned dict with the outputs of the named submodules when the network runs."""
    features: Tensors = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: features.__setitem__(f"output.feat.{name}", output)

    for name in names:
        network.get_submodule(name).register_forward_hook(keep(name))
    return features


def wanted_features(tensors: Tensors) -> list[str]:
    return [key.removeprefix("output.feat.") for key in tensors if key.startswith("output.feat.")]


def run_global_generator(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    assert args["padding_type"] == "reflect"
    generator = GlobalGenerator(
        in_channels=args["input_nc"],
        out_channels=args["output_nc"],
        width=args["ngf"],
        downsamplings=args["n_downsampling"],
        blocks=args["n_blocks"],
        norm=args["norm"],
    )
    loaded(generator, tensors)
    features = watch(generator, wanted_features(tensors))
    with torch.no_grad():
        picture = generator(tensors["input.x"])
    return {"output.y": picture, **features}


def run_local_enhancer(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    generator = LocalEnhancer(
        in_channels=args["input_nc"],
        out_channels=args["output_nc"],
        width=args["ngf"],
        downsamplings=args["n_downsample_global"],
        blocks=args["n_blocks_global"],
        enhancers=args["n_local_enhancers"],
        enhancer_blocks=args["n_blocks_local"],
        norm=args["norm"],
    )
    loaded(generator, tensors)
    features = watch(generator, [name for name in wanted_features(tensors) if name != "downsample"])
    with torch.no_grad():
        picture = generator(tensors["input.x"])
    coarsest = tensors["input.x"]
    for _ in range(args["n_local_enhancers"]):
        coarsest = halve(coarsest)
    return {"output.y": picture, "output.feat.downsample": coarsest, **features}


def run_discriminator(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    discriminator = MultiscaleDiscriminator(
        in_channels=args["input_nc"],
        width=args["ndf"],
        layers=args["n_layers"],
        scales=args["num_D"],
        norm=args["norm"],
        sigmoid=args["use_sigmoid"],
        features=args["getIntermFeat"],
    )
    loaded(discriminator, tensors)
    with torch.no_grad():
        judgement = discriminator(tensors["input.x"])
    return {
        f"output.scale{scale}.feat{index}": feature
        for scale, features in enumerate(judgement)
        for index, feature in enumerate(features)
    }


def run_encoder(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    encoder = Encoder(
        in_channels=args["input_nc"],
        out_channels=args["output_nc"],
        width=args["ngf"],
        downsamplings=args["n_downsampling"],
        norm=args["norm"],
    )
    loaded(encoder, tensors)
    with torch.no_grad():
        return {
            "output.before_pooling": encoder.model(tensors["input.x"]),
            "output.y": encoder(tensors["input.x"], tensors["input.inst"]),
        }


def run_losses(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]

    def judgement(name: str) -> list[list[Tensor]]:
        return [
            [tensors[f"input.pred_{name}.scale{scale}.feat{index}"] for index in range(args["n_layers"] + 2)]
            for scale in range(args["num_D"])
        ]

    fake, real = judgement("fake"), judgement("real")
    weight = args["lambda_feat"]
    # The reference names each player's side by the target; two halves of one judgement add up to "as false" alone.
    swapped = LSGAN._replace(generator=LSGAN.fake)
    return {
        "output.gan_fake_as_true": generator_loss(LSGAN, fake),
        "output.gan_fake_as_false": generator_loss(swapped, fake),
        "output.gan_real_as_true": 2 * discriminator_loss(LSGAN, real, fake) - generator_loss(swapped, fake),
        "output.gan_real_as_false": generator_loss(swapped, real),
        "output.feature_matching": weight * feature_matching_loss(fake, real),
        "output.feature_matching_terms": weight * feature_matching_terms(fake, real),
        "output.bce_fake_sigmoid_as_true": generator_loss(NON_SATURATING, fake),
        "output.bce_fake_sigmoid_as_false": generator_loss(
            NON_SATURATING._replace(generator=NON_SATURATING.fake), fake
        ),
    }


def run_training(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    source, real_picture = tensors["input.label"], tensors["input.image"]
    if args["label_nc"] > 0:
        source = one_hot_labels(source, args["label_nc"])
    if not args["no_instance"]:
        source = torch.cat([source, instance_edges(tensors["input.inst"])], dim=1)
    generator = GlobalGenerator(
        in_channels=source.shape[1], width=args["ngf"], downsamplings=args["n_downsampling"], blocks=args["n_blocks"]
    )
    discriminator = MultiscaleDiscriminator(
        in_channels=source.shape[1] + 3, width=args["ndf"], layers=args["n_layers"], scales=args["num_D"]
    )
    loaded(generator, tensors, "weights.G.").train()
    loaded(discriminator, tensors, "weights.D.").train()

    picture = generator(source)
    fake = discriminator(torch.cat([source, picture], dim=1))
    real = discriminator(torch.cat([source, real_picture], dim=1))
    adversarial = generator_loss(LSGAN, fake)
    matching = args["lambda_feat"] * feature_matching_loss(fake, real)
    loss_d = discriminator_loss(LSGAN, real, fake)
    outputs = {
        "output.G_input": source,
        "output.fake": picture,
        "output.loss.G_GAN": adversarial,
        "output.loss.G_GAN_Feat": matching,
        "output.loss.G": adversarial + matching,
        "output.loss.D_real": sum(LSGAN.real(features[-1]) for features in real),
        "output.loss.D_fake": sum(LSGAN.fake(features[-1]) for features in fake),
        "output.loss.D": loss_d,
    }
    for name, network, loss in (("G", generator, adversarial + matching), ("D", discriminator, loss_d)):
        parameters = dict(network.named_parameters())
        gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True)
        for key, gradient in zip(parameters, gradients, strict=True):
            outputs[f"output.grad.{name}.{key}"] = gradient
    return {key: value.detach() for key, value in outputs.items()}


RUNNERS: dict[str, Runner] = {
    "pix2pixhd_global_generator": run_global_generator,
    "pix2pixhd_local_enhancer": run_local_enhancer,
    "pix2pixhd_multiscale_discriminator": run_discriminator,
    "pix2pixhd_encoder": run_encoder,
    "pix2pixhd_losses": run_losses,
    "pix2pixhd_training": run_training,
}
