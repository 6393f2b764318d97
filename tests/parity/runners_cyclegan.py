"""Recompute the golden CycleGAN cases and those of its distillation with this project's networks and losses."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from runners_pix2pixhd import wanted_features, watch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.plugins.cyclegan.conversion import clean_state, discriminator_from_state, generator_from_state
from gdp.plugins.losses.terms import LSGAN, l1_loss
from gdp.plugins.losses.translation import feature_l2_loss
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator
from gdp.plugins.resnet.transfer import transfer

Tensors = dict[str, Tensor]
Outputs = dict[str, Tensor | ShapeError]


def weights(tensors: Tensors, prefix: str = "weights.") -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@torch.no_grad()
def run_generator(case: Mapping[str, Any], tensors: Tensors) -> Outputs:
    args, state = case["args"], weights(tensors)
    generator = generator_from_state(clean_state(state, "use"))
    assert generator.channels == GeneratorChannels.uniform(args["ngf"], args["n_blocks"])
    assert generator.norm == ("instance-tracked" if args["track_running_stats"] else args["norm"])
    features = watch(generator, wanted_features(tensors))
    outputs: Outputs = {"output.y": generator(tensors["input.x"]), **features}
    if args["track_running_stats"]:
        outputs["output.y_running_stats_ignored"] = generator_from_state(clean_state(state))(tensors["input.x"])
    return outputs


@torch.no_grad()
def run_discriminator(case: Mapping[str, Any], tensors: Tensors) -> Outputs:
    discriminator = discriminator_from_state(clean_state(weights(tensors), "use"))
    features = watch(discriminator, wanted_features(tensors))
    logits = discriminator(tensors["input.x"])[0][-1]
    return {
        "output.y": logits,
        "output.lsgan_as_true": LSGAN.generator(logits),
        "output.lsgan_as_false": LSGAN.fake(logits),
        **features,
    }


PARTS = {"conv_1": 1, "norm_1": 2, "conv_2": 5, "norm_2": 6}


def published_name(name: str, blocks: int) -> str:
    """The name in CycleGAN's own state dict of a tensor of the distillation program."""
    if match := re.fullmatch(r"layers\.res_block_(\d+)\.layers\.(\w+)\.(\w+)", name):
        return f"model.{9 + int(match[1])}.conv_block.{PARTS[match[2]]}.{match[3]}"
    layer, index, kind = name.removeprefix("layers.").split(".")
    first_up = 10 + blocks
    starts = {
        "inp_layers": 0,  # its numbers count the padding, as in CycleGAN's
        "downsampling_1": 4,
        "downsampling_2": 7,
        "upsampling_1": first_up,
        "upsampling_2": first_up + 3,
        "out_layers": first_up + 6,
    }
    return f"model.{starts[layer] + int(index)}.{kind}"


def distilled(tensors: Tensors, network: str, blocks: int, width: int) -> ResnetGenerator:
    generator = ResnetGenerator(GeneratorChannels.uniform(width, blocks), norm="batch", bias=True)
    state = weights(tensors, f"weights.{network}.")
    generator.load_state_dict({published_name(name, blocks): tensor.clone() for name, tensor in state.items()})
    return generator


def run_with_hidden_states(generator: ResnetGenerator, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    seen = watch(generator, generator.block_paths)
    picture = generator(x)
    return picture, [seen[f"output.feat.{path}"] for path in generator.block_paths]


def hidden_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], layers: Sequence[int]) -> Tensor | ShapeError:
    try:
        return feature_l2_loss(student, [teacher[layer] for layer in layers])
    except ShapeError as error:
        return error


def run_distillation(case: Mapping[str, Any], tensors: Tensors) -> Outputs:
    args = case["args"]
    depths = {"teacher": args["teacher_blocks"], "student": args["student_blocks"]}
    x = tensors["input.x"].clamp(-1, 1)  # that program's generator does so itself

    def fresh(network: str) -> ResnetGenerator:
        return distilled(tensors, network, depths[network], args["hidden"])

    outputs: Outputs = {}
    trained, pictures, hidden = {network: fresh(network) for network in depths}, {}, {}
    for network, blocks in depths.items():
        with torch.no_grad():
            picture, states = run_with_hidden_states(fresh(network).eval(), x)
        outputs[f"output.{network}.y_eval"] = picture
        outputs |= {f"output.{network}.hidden_eval.{index}": states[index] for index in range(blocks)}
        picture, states = run_with_hidden_states(trained[network].train(), x)
        pictures[network], hidden[network] = picture, states
        outputs[f"output.{network}.y_train"] = picture
        outputs |= {f"output.{network}.hidden_train.{index}": states[index] for index in range(blocks)}

    losses = [hidden_loss(hidden["student"], hidden["teacher"], layers) for layers in args["transfer_layers"]]
    for layers, loss in zip(args["transfer_layers"], losses, strict=True):
        outputs[f"output.hidden_state_loss.layers_{'_'.join(map(str, layers))}"] = loss
    between = l1_loss(pictures["student"], pictures["teacher"].detach())
    assert isinstance(losses[0], Tensor)
    total = losses[0] + 10 * between
    outputs |= {"output.teacher_student_loss": between, "output.distill_sum_1_10": total}
    parameters = dict(trained["student"].named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(total, list(parameters.values())), strict=True))
    names = {published_name(name, depths["student"]): name for name in weights(tensors, "weights.student.")}
    outputs |= {f"output.grad.student.{names[name]}": gradient for name, gradient in gradients.items()}

    student = fresh("student")
    copied = [row.student for row in transfer(fresh("teacher"), student) if row.copied]
    outputs |= {f"output.transferred.{names[name]}": student.state_dict()[name] for name in copied}
    with torch.no_grad():
        outputs["output.student_after_transfer.y_eval"] = student.eval()(x)
    return {name: value.detach() if isinstance(value, Tensor) else value for name, value in outputs.items()}


RUNNERS: dict[str, Callable[[Mapping[str, Any], Tensors], Outputs]] = {
    "cyclegan_resnet_generator": run_generator,
    "cyclegan_nlayer_discriminator": run_discriminator,
    "cyclegan_distillation_elephantmipt": run_distillation,
}
