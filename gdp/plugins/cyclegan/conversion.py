"""CycleGAN's published checkpoints (.pth): the state dict of one generator or discriminator."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gdp.core.arithmetic import count_parameters
from gdp.core.errors import CorruptFileError
from gdp.core.progress import Progress
from gdp.plugins.cyclegan.loading import clean_state, discriminator_from_state, generator_from_state
from gdp.support.foreign import ForeignFile, plain_state
from gdp.support.foreign.converter import Converted, Converter

_DISCRIMINATOR = "model.0.weight"
_PUBLISHED_STATISTICS = (
    "Its instance norms carry statistics of 2017 or 2018. They were left out, as today's CycleGAN does; to use them, "
    'name the .pth file itself in the recipe, with running_statistics = "use".'
)
_TWIN = "A pix2pixHD generator of 2 downsamplings has the same layers: if it is one, convert it with --as pix2pixhd."


class CycleGANConverter(Converter):
    """A ResNet generator of any width and number of blocks, or a patch discriminator."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether it is one of these networks."""
        state = plain_state(file.content)
        if not state or any(tensor.is_sparse for tensor in state.values()):
            return False
        try:
            _network(clean_state(state))
        except CorruptFileError:
            return False
        return True

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take the network; `module.` prefixes and the statistics of instance norms go.

        Raises:
            CorruptFileError: it is none of these networks.
        """
        state = plain_state(file.content)
        if not state:
            raise CorruptFileError("it is no state dict (names and tensors)")
        cleaned = clean_state(state)
        what, architecture = _network(cleaned)
        count = len(state) - len(cleaned)
        remarks = [_PUBLISHED_STATISTICS] if count else []
        judge = _DISCRIMINATOR in cleaned
        return Converted(
            what=what,
            tensors=cleaned,
            use=_USE_DISCRIMINATOR if judge else _USE,
            architecture=architecture,
            dropped=[f"{count} running statistics of instance norms"] if count else [],
            remarks=remarks if judge else [*remarks, _TWIN],
        )


_USE = '[teacher]\nplugin = "cyclegan"\nweights = "{file}"'
_USE_DISCRIMINATOR = (
    "# The teacher cyclegan takes discriminators from a folder of published checkpoints (latest_net_D_A.pth, ...):\n"
    '# name that folder as its weights, {file} is not needed then.\n[teacher]\nplugin = "cyclegan"'
)


def _network(state: dict[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Say what network these tensors are, and its architecture as plain JSON values."""
    if _DISCRIMINATOR in state:
        judge = discriminator_from_state(state)
        width, in_channels = state[_DISCRIMINATOR].shape[:2]
        facts: dict[str, Any] = {"width": width, "input_channels": in_channels, "parameters": count_parameters(judge)}
        return f"CycleGAN patch discriminator, width {width}", facts
    generator = generator_from_state(state)
    channels = generator.channels
    facts = {
        "width": channels.stem,
        "blocks": len(channels.middle),
        "middle": list(channels.middle),
        "norm": generator.norm,
        "upsampling": generator.upsampling,
        "separable": generator.separable,
        "input_channels": generator.in_channels,
        "parameters": count_parameters(generator),
    }
    return f"CycleGAN generator, {len(channels.middle)} blocks, width {channels.stem}", facts
