"""Foreign layouts of StyleGAN2's weights, converted to that of stylegan2-ada-pytorch.

What the converters of all layouts have in common: the networks are checked, described and put together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from gdp import Converted, CorruptFileError
from gdp.plugins.stylegan2.loading import describe_discriminator, describe_generator

BESIDE = "discriminator"
_USE = '[teacher]\nplugin = "stylegan2"\nweights = "{file}"'
_USE_DISCRIMINATOR = '[teacher]\nplugin = "stylegan2"\ndiscriminator = "{file}"'


def metadata_of(conv_clamp: object = None, learning_rate_multiplier: object = None) -> dict[str, str]:
    """Return what the loader needs and no tensor tells, of what a file says; anything but numbers is left out."""
    found: dict[str, str] = {}
    if _is_number(conv_clamp):
        found["conv_clamp"] = repr(conv_clamp)
    if _is_number(learning_rate_multiplier):
        found["mapping_learning_rate_multiplier"] = repr(learning_rate_multiplier)
    return found


def generator(
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    dropped: Sequence[str] = (),
    remarks: Sequence[str] = (),
    recorded: Mapping[str, Any] | None = None,
) -> Converted:
    """Return a generator, checked.

    Args:
        state: its tensors in the ada-pytorch layout.
        metadata: from `metadata_of`.
        dropped: what was left out of the file.
        remarks: for the user.
        recorded: what else the file says of the architecture, plain JSON values.

    Raises:
        CorruptFileError: it is no generator that the teacher loads.
    """
    architecture = describe_generator(state, metadata)
    return Converted(
        what=f"StyleGAN2 generator, {architecture['resolution']} px",
        tensors=state,
        use=_USE,
        architecture={**architecture, **({"recorded": dict(recorded)} if recorded else {})},
        metadata=metadata,
        dropped=dropped,
        remarks=remarks,
    )


def with_discriminator(
    converted: Converted, state: Mapping[str, Tensor] | None, metadata: Mapping[str, str]
) -> Converted:
    """Return a conversion with the discriminator beside it; one that is not supported is left out and named."""
    if state is None:
        return converted
    try:
        architecture = describe_discriminator(state, metadata)
    except CorruptFileError as error:
        return replace(converted, dropped=[*converted.dropped, f"the discriminator, which is not supported: {error}"])
    discriminator = Converted(
        what=f"StyleGAN2 discriminator, {architecture['resolution']} px",
        tensors=state,
        use=_USE_DISCRIMINATOR,
        architecture=architecture,
        metadata=metadata,
    )
    return replace(converted, beside={**converted.beside, BESIDE: discriminator})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
