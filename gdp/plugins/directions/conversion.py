"""Direction files of other programs: one array, in .npy or .pt, of InterFaceGAN's or a W+ direction's shape.

Reading the direction that a setting names.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gdp import Converted, Converter, CorruptFileError, Progress
from gdp.plugins.directions import BuiltinDirection, direction_path
from gdp.toolbox import (
    Direction,
    ForeignFile,
    as_tensor,
    direction_metadata,
    origin_by_name,
    public_direction,
    read_direction,
    split_component,
)


def load_direction(spec: BuiltinDirection | Path) -> Direction:
    """Read a direction: `builtin:NAME`, a `.safetensors` file made by gdp, or a public `.npy`, `.npz` or `.pt` file.

    Raises:
        MissingResourceError: the file is not there.
        CorruptFileError: the file cannot be read as a direction.
    """
    return read_direction(direction_path(spec), None if isinstance(spec, str) else split_component(spec)[1])


_MOST_LAYERS = 64
_WIDTHS = range(8, 8193)


class DirectionConverter(Converter):
    """An array (w_dim,), (1, w_dim), (num_ws, w_dim) or (1, num_ws, w_dim) of floats, of any norm."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether it is one array of such a shape."""
        return _rows(file) is not None

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take the direction with norm 1; the norm that it had stands in the card.

        Raises:
            CorruptFileError: it is no such array, or 0 everywhere.
        """
        rows = _rows(file)
        if rows is None:
            raise CorruptFileError("it is no array of floats with one row, or one row for each layer")
        try:
            direction = public_direction(file.path.stem, rows, "unknown")
        except ValueError as error:
            raise CorruptFileError(str(error)) from error
        against, name, norm = origin_by_name(direction), direction.name, direction.norm
        direction = replace(direction, found={"method": "unknown", "norm": norm}, space="z" if against else "")
        remarks = [
            f"Its norm was {norm:.6g} and is 1 now; strengths are counted in standard deviations of its score, which "
            "is measured on the recipe's teacher. strength = { published = 3 } adds the vector as it was 3 times.",
            "No file tells which generator a direction belongs to: use it with that one alone.",
        ]
        if against:
            remarks.append(f'It cannot be added to w: {against}. A recipe that knows better says space = "w".')
        return Converted(
            what=f"direction {name}, {rows.shape[0]} rows of {rows.shape[1]}",
            tensors={"direction": direction.vectors},
            use='[pairs]\nplugin = "latent-direction"\ndirection = "{file}"',
            architecture={"rows": rows.shape[0], "w_dim": rows.shape[1], "norm": norm},
            metadata=direction_metadata(direction),
            remarks=remarks,
        )


def _rows(file: ForeignFile) -> Tensor | None:
    tensor = as_tensor(file.content)
    if tensor is None or not tensor.is_floating_point():
        return None
    if tensor.ndim == 3 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim == 1:
        tensor = tensor[None]
    if tensor.ndim != 2 or not 1 <= tensor.shape[0] <= _MOST_LAYERS or tensor.shape[1] not in _WIDTHS:
        return None
    return tensor.to(torch.float64)
