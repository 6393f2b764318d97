"""Make the ONNX files that `onnx-classifier`'s presets read, from the checkpoints that their authors publish.

The networks are built here (torchvision's ResNet-34 and vision transformer) and filled with the checkpoint's tensors;
nothing in the checkpoint is run.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim
from torchvision.models import VisionTransformer, resnet34

from gdp import CorruptFileError, MissingResourceError
from gdp.toolbox import read_state, read_state_dict

SIDE = 224
"""Pixels that both read."""
OPSET = 18
FAIRFACE_NUMBERS, AGE_BINS = 18, 9
_HEAD = 64
"""Channels of an attention head in the published transformers."""
_PREFIX = "vit."
_PATCHES = "embeddings.patch_embeddings.projection"


def fairface_network(state: Mapping[str, Tensor]) -> nn.Module:
    """Return FairFace's ResNet-34 of 18 outputs (res34_fair_align_multi_7_20190809.pt).

    Raises:
        CorruptFileError: the tensors are another network's.
    """
    with torch.device("meta"):
        network = resnet34(num_classes=FAIRFACE_NUMBERS)
    return _filled(
        network, {name.removeprefix("module."): tensor for name, tensor in state.items()}, "FairFace's ResNet-34"
    )


def vit_network(state: Mapping[str, Tensor]) -> nn.Module:
    """Return the vision transformer of nateraw/vit-age-classifier (model.safetensors or pytorch_model.bin).

    Its size is told by the tensors, whose names are those of transformers' ViTForImageClassification.

    Raises:
        CorruptFileError: the tensors are another network's.
    """
    what = "a ViTForImageClassification of transformers"
    plain = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items()}
    layers = {match[1] for name in plain if (match := re.match(r"encoder\.layer\.(\d+)\.", name))}
    try:
        width, _, patch, _ = plain[f"{_PATCHES}.weight"].shape
        places = plain["embeddings.position_embeddings"].shape[1] - 1
        hidden = plain["encoder.layer.0.intermediate.dense.weight"].shape[0]
        classes = plain["classifier.weight"].shape[0]
        renamed = _renamed(plain, len(layers))
    except (KeyError, ValueError) as error:
        raise CorruptFileError(f"these are not the weights of {what} ({error})") from error
    if classes != AGE_BINS or places != (SIDE // patch) ** 2 or width % _HEAD:
        raise CorruptFileError(
            f"the preset is a transformer of {AGE_BINS} classes for {SIDE} px; this one has {classes} classes, "
            f"{places} "
            f"patches of {patch} px and {width} channels"
        )
    with torch.device("meta"):
        network = VisionTransformer(
            SIDE, patch, len(layers), width // _HEAD, width, hidden, num_classes=classes,
            norm_layer=partial(nn.LayerNorm, eps=1e-12),
        )  # fmt: skip
    return _filled(network, renamed, what)


def _renamed(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Return transformers' tensors by torchvision's names; KeyError names one that is missing."""
    made = {
        "class_token": state["embeddings.cls_token"],
        "encoder.pos_embedding": state["embeddings.position_embeddings"],
    }
    parts = {"conv_proj": _PATCHES, "encoder.ln": "layernorm", "heads.head": "classifier"}
    for number in range(layers):
        ours, theirs = f"encoder.layers.encoder_layer_{number}", f"encoder.layer.{number}"
        parts |= {
            f"{ours}.ln_1": f"{theirs}.layernorm_before",
            f"{ours}.ln_2": f"{theirs}.layernorm_after",
            f"{ours}.self_attention.out_proj": f"{theirs}.attention.output.dense",
            f"{ours}.mlp.0": f"{theirs}.intermediate.dense",
            f"{ours}.mlp.3": f"{theirs}.output.dense",
        }
        for kind in ("weight", "bias"):
            attention = [state[f"{theirs}.attention.attention.{name}.{kind}"] for name in ("query", "key", "value")]
            made[f"{ours}.self_attention.in_proj_{kind}"] = torch.cat(attention)
    return made | {
        f"{ours}.{kind}": state[f"{theirs}.{kind}"] for ours, theirs in parts.items() for kind in ("weight", "bias")
    }


def _filled(network: nn.Module, state: Mapping[str, Tensor], what: str) -> nn.Module:
    expected = network.state_dict()
    for name, tensor in expected.items():
        found = state.get(name)
        if found is None or found.shape != tensor.shape:
            told = "is missing" if found is None else f"has the shape {tuple(found.shape)}, not {tuple(tensor.shape)}"
            raise CorruptFileError(f"these are not the weights of {what}: {name} {told}")
    network.to_empty(device="cpu")
    network.load_state_dict({name: state[name].to(tensor.dtype) for name, tensor in expected.items()})
    return network.eval().requires_grad_(False)


def read_checkpoint(source: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint file, or of a folder as it is published (model.safetensors,
    pytorch_model.bin).

    Raises:
        MissingResourceError: there is none.
        CorruptFileError: it is damaged, or holds anything but tensors.
    """
    if source.is_dir():
        names = ("model.safetensors", "pytorch_model.bin")
        found = next((source / name for name in names if (source / name).is_file()), None)
        if found is None:
            raise MissingResourceError(f"{source}: there is no {' and no '.join(names)} in this folder.")
        source = found
    return read_state(source) if source.suffix == ".safetensors" else read_state_dict(source)


def write_classifier(network: nn.Module, target: Path) -> None:
    """Write a classifier (N, 3, 224, 224) -> `logits` (N, K) as ONNX, for any batch.

    Raises:
        MissingResourceError: onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401 # torch's exporter needs it
    except ModuleNotFoundError as error:
        raise MissingResourceError(
            "writing ONNX files needs onnxscript, which is not installed: pip install 'gdp-distill[onnx]'"
        ) from error
    with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(StringIO()):  # it prints its progress
        warnings.simplefilter("ignore")  # torch's own, of its own insides
        program = torch.export.export(network, (torch.zeros(2, 3, SIDE, SIDE),), dynamic_shapes=({0: Dim("batch")},))
        made = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, input_names=["pictures"], output_names=["logits"], verbose=False
        )
    assert made is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    made.save(target, external_data=False)
