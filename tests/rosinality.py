"""StyleGAN2 as rosinality/stylegan2-pytorch names its tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.stylegan2.networks import Generator


def rosinality_state(generator: Generator) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, tensor in generator.state_dict().items():
        parts = name.split(".")
        if parts[0] == "mapping" and parts[1] != "w_avg":
            found[f"style.{int(parts[1][2:]) + 1}.{parts[2]}"] = tensor
        elif parts[-1] == "const":
            found["input.input"] = tensor[None]
        elif parts[0] == "synthesis" and parts[-1] != "resample_filter":
            step = int(parts[1][1:]).bit_length() - 3  # 4 px is 0
            if parts[-1] == "noise_const":
                found[f"noises.noise_{2 * step - (1 if parts[2] == 'conv0' else 0)}"] = tensor[None, None]
                continue
            number = 2 * (step - 1) + (1 if parts[2] == "conv1" else 0)
            rgb = "to_rgb1" if step == 0 else f"to_rgbs.{step - 1}"
            layer = rgb if parts[2] == "torgb" else "conv1" if step == 0 else f"convs.{number}"
            kind = ".".join(parts[3:])
            if kind == "weight":
                found[f"{layer}.conv.weight"] = tensor[None]
            elif kind == "bias":
                image = parts[2] == "torgb"
                found[f"{layer}.{'bias' if image else 'activate.bias'}"] = (
                    tensor.reshape(1, 3, 1, 1) if image else tensor
                )
            elif kind == "noise_strength":
                found[f"{layer}.noise.weight"] = tensor.reshape(1)
            else:
                found[f"{layer}.conv.{kind.replace('affine', 'modulation')}"] = tensor
    return {**found, "convs.0.conv.blur.kernel": torch.ones(4, 4)}
