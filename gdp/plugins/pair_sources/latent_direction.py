"""`latent-direction`: a picture and its edit along directions in w."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.pairs import Json, PairBatch
from gdp.plugins.directions.config import direction_path
from gdp.plugins.directions.files import load_direction
from gdp.plugins.pair_sources.config import LatentDirectionConfig
from gdp.plugins.pair_sources.latent import compact, latent_teacher, picture_batch, sample_ws


class LatentDirectionSource(PairSource):
    """Source G(w), target G(w + d), both with the teacher's fixed noise; d is the sum of the directions' moves.

    With `symmetric`, source G(w - d) and target G(w + d), so that source and target lie on opposite sides of a
    sample (a simple form of the triples of "StyleGAN2 Distillation", ECCV 2020, section 3.2; the filter
    `face-attributes` keeps those whose sides differ).
    """

    def __init__(self, config: LatentDirectionConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.teacher = latent_teacher(context, "latent-direction")
        self._displacement = torch.zeros(self.teacher.num_ws, self.teacher.w_dim)
        moves: list[Json] = []
        for step in config.steps:
            direction = load_direction(step.direction)
            if direction.is_foreign(self.teacher):
                context.progress.message(
                    f"direction {direction.name} was found on another teacher ({direction.teacher[:12]}) than this one "
                    f"({self.teacher.fingerprint[:12]}): its scale is measured on this one; look at the pairs "
                    "before you train on them"
                )
            self._displacement += direction.displacement(self.teacher, step.strength, step.layers)
            layers = list(step.layers) if isinstance(step.layers, tuple) else step.layers
            moves.append({"direction": direction.name, "strength": step.strength, "layers": layers})
        self._edit: dict[str, Json] = {
            "kind": "latent-direction",
            "directions": moves,
            "symmetric": config.symmetric,
        }
        self._displacement = self._displacement.to(context.device)

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self.teacher.resolution

    @property
    def fingerprint(self) -> str:
        """Hash of the direction files."""
        digest = hashlib.sha256()
        for step in self.config.steps:
            digest.update(hashlib.sha256(direction_path(step.direction).read_bytes()).digest())
        return digest.hexdigest()

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers; the records hold the source's latent."""
        ws = sample_ws(self.context, self.teacher, self.config, indices)
        source = ws - self._displacement if self.config.symmetric else ws
        images = self.teacher.synthesize(torch.cat([source, ws + self._displacement]))
        before, after = images.tensor_split(2)
        latents = [compact(w) for w in source.cpu()]
        return picture_batch(self.context, self.teacher, self.config, indices, (before, after), latents, self._edit)

    def edit(self, ws: Tensor) -> Tensor:
        """Move the ws (N, num_ws, w_dim) of sources to those of their targets."""
        distance = 2 * self._displacement if self.config.symmetric else self._displacement
        return ws + distance.to(ws)
