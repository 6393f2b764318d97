"""Checkpoints of rosinality/stylegan2-pytorch: state dicts of the networks, converted ones with the mean latent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gdp import Converted, Converter, CorruptFileError, Progress
from gdp.plugins.stylegan2.conversion import generator, metadata_of, with_discriminator
from gdp.plugins.stylegan2.loading import mapping_from_state
from gdp.toolbox import ForeignFile, as_tensor, parts_of, plain_state, printable

MEAN_SAMPLES = 10_000
"""Latents whose mean stands for a mean w that the file lacks, as many as the official projector takes."""
_KNOWN = "style.1.weight"
_MEAN = "mapping.w_avg"
_CHUNK = 1000


class RosinalityConverter(Converter):
    """A dictionary with the state dicts `g_ema` (or `g`) and `d`, and `latent_avg` where it was converted."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether there is a generator with the names of that program."""
        return _generator(file.content) is not None

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take the averaged generator, and the discriminator where there is one.

        Raises:
            CorruptFileError: there is no generator, or it is another one than StyleGAN2's.
        """
        found = _generator(file.content)
        if found is None:
            raise CorruptFileError("there is no state dict g_ema with style.1.weight in it")
        name, foreign = found
        state, remarks = convert_generator(foreign), []
        if name == "g":
            remarks.append("There is no g_ema in it: this is g, whose weights are not averaged.")
        content = file.content if isinstance(file.content, dict) else {}
        mean = as_tensor(content.get("latent_avg"))
        if mean is None:
            mean = _mean_latent(state, progress)
            remarks.append(f"The file tells no mean w: it was measured on {MEAN_SAMPLES:,} samples, seed 0.")
        elif mean.ndim == 2 and (mean == mean[:1]).all():  # pSp and e4e keep the same w for every layer
            mean = mean[0]
        state[_MEAN] = mean.reshape(-1)
        others = [printable(str(key)) for key in content if key not in (name, "d", "latent_avg")][:50]
        blurs = "the constant blur filters, which are the same in every StyleGAN2"
        converted = generator(
            state, metadata_of(), dropped=[blurs, *(f"{key}: not needed" for key in others)], remarks=remarks
        )
        judge = plain_state(content.get("d"))
        return with_discriminator(converted, None if judge is None else convert_discriminator(judge), {})


def convert_generator(foreign: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the ada-pytorch state dict of a generator, without the mean w; unknown names are kept."""
    return _converted(foreign, _generator_name)


def convert_discriminator(foreign: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the ada-pytorch state dict of a discriminator; unknown names are kept, to be refused later."""
    count = 1 + max((int(name.split(".")[1]) for name in foreign if re.match(r"convs\.\d+\.", name)), default=0)
    return _converted(foreign, lambda name: _discriminator_name(name, 2 ** (count + 1)))


def _generator(content: object) -> tuple[str, dict[str, Tensor]] | None:
    if not isinstance(content, dict):
        return None
    decoder = parts_of(content).get("state_dict.decoder")  # where pSp and e4e keep it, beside their encoder
    for name, value in (
        *(("g_ema", content.get("g_ema")), ("g", content.get("g"))),
        *(("it", content), ("state_dict", decoder)),
    ):
        state = plain_state(value)
        if state is not None and _KNOWN in state:
            return name, state
    return None


Change = Callable[[Tensor], Tensor]


def _converted(foreign: Mapping[str, Tensor], rename: Callable[[str], tuple[str, Change] | None]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in foreign.items():
        if name.endswith(".kernel"):
            continue
        found = rename(name)
        try:
            state[name if found is None else found[0]] = tensor if found is None else found[1](tensor)
        except (RuntimeError, IndexError) as error:
            shape = tuple(tensor.shape)
            raise CorruptFileError(f"{printable(name)} has shape {shape}, which is no StyleGAN2's") from error
    return state


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def _flat(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1)


def _scalar(tensor: Tensor) -> Tensor:
    return tensor.reshape(())


def _picture(tensor: Tensor) -> Tensor:
    return tensor[0, 0]


_PARTS: Mapping[str, tuple[str, Change]] = {
    "conv.weight": ("weight", _first),
    "conv.modulation.weight": ("affine.weight", _same),
    "conv.modulation.bias": ("affine.bias", _same),
    "noise.weight": ("noise_strength", _scalar),
    "activate.bias": ("bias", _same),
    "bias": ("bias", _flat),
}


def _generator_name(name: str) -> tuple[str, Change] | None:
    if name == "input.input":
        return "synthesis.b4.const", _first
    if found := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):  # style.0 normalises
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}", _same
    if found := re.fullmatch(r"noises\.noise_(\d+)", name):
        number = int(found[1])
        size = 2 ** ((number + 1) // 2 + 2)
        return f"synthesis.b{size}.conv{0 if number % 2 else 1}.noise_const", _picture
    found = re.fullmatch(r"(conv1|to_rgb1|convs\.(\d+)|to_rgbs\.(\d+))\.(.+)", name)
    if found is None or found[4] not in _PARTS:
        return None
    part, change = _PARTS[found[4]]
    if found[2] is not None:
        layer = f"b{2 ** (int(found[2]) // 2 + 3)}.conv{int(found[2]) % 2}"
    elif found[3] is not None:
        layer = f"b{2 ** (int(found[3]) + 3)}.torgb"
    else:
        layer = "b4.conv1" if found[1] == "conv1" else "b4.torgb"
    return f"synthesis.{layer}.{part}", change


def _discriminator_name(name: str, resolution: int) -> tuple[str, Change] | None:
    """Give a tensor's new name; convs.0 reads the picture, convs.1 is the block of full resolution."""
    ends = {"final_conv.0.weight": "conv.weight", "final_conv.1.bias": "conv.bias"}
    if name in ends:
        return f"b4.{ends[name]}", _same
    if found := re.fullmatch(r"final_linear\.([01])\.(weight|bias)", name):
        return f"b4.{'out' if found[1] == '1' else 'fc'}.{found[2]}", _same
    if found := re.fullmatch(r"convs\.0\.[01]\.(weight|bias)", name):
        return f"b{resolution}.fromrgb.{found[1]}", _same
    if found := re.fullmatch(r"convs\.(\d+)\.(conv1|conv2|skip)\.\d\.(weight|bias)", name):
        layer = {"conv1": "conv0", "conv2": "conv1", "skip": "skip"}[found[2]]
        return f"b{resolution // 2 ** (int(found[1]) - 1)}.{layer}.{found[3]}", _same
    return None


@torch.no_grad()
def _mean_latent(state: Mapping[str, Tensor], progress: Progress) -> Tensor:
    """Return the mean of w (w_dim,) over `MEAN_SAMPLES` normal z, always the same ones."""
    mapping = mapping_from_state(state)
    random = torch.Generator().manual_seed(0)
    total = torch.zeros(mapping.w_dim, dtype=torch.float64)
    with progress.task("measuring the mean w", MEAN_SAMPLES // _CHUNK, "batches") as task:
        for _ in range(MEAN_SAMPLES // _CHUNK):
            w = mapping(torch.randn(_CHUNK, mapping.z_dim, generator=random))[:, 0]
            total += w.double().sum(dim=0)
            task.advance()
    return (total / MEAN_SAMPLES).float()
