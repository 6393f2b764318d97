"""Methods that find directions without labels: principal components of w, and the style weights' own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.directions import DirectionMethod, DirectionSearch, FoundDirection


class PrincipalComponents(DirectionMethod):
    """Principal components of w, the widest first.

    Härkönen and others, "GANSpace" (NeurIPS 2020), section 2.1: in StyleGAN those of w, applied to a range of layers.
    Strength 1 is GANSpace's sigma of 1: one standard deviation along the component.
    """

    labelled = False

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the components.

        Raises:
            ShapeError: there are fewer samples than numbers in w, or more components are asked for than there are.
        """
        count, width = search.w.shape
        _check_components(search.components, width)
        if count <= width:
            raise ShapeError(
                f"{count} samples are too few for the components of {width} numbers; take more (--samples)"
            )
        centred = search.w - search.w.mean(dim=0)
        variances, vectors = torch.linalg.eigh(centred.T @ centred / (count - 1))  # ascending
        total = variances.sum()
        return [
            FoundDirection(
                _signed(vectors[:, -number]), {"variance_share": round(float(variances[-number] / total), 6)}
            )
            for number in range(1, search.components + 1)
        ]


class ClosedForm(DirectionMethod):
    """The directions to which the teacher's style weights respond most.

    Shen and Zhou, "Closed-Form Factorization of Latent Semantics in GANs" (CVPR 2021), equation 9: eigenvectors of
    A^T A, A being the style weights of the chosen layers, one above the other, each row's norm set to 1 as in the
    authors' code. Needs no samples.
    """

    labelled = False

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the eigenvectors of the largest eigenvalues.

        Raises:
            PluginError: the teacher does not show its style weights.
            ShapeError: more components are asked for than there are.
        """
        weights = search.teacher.style_weights()
        layers = range(len(weights)) if search.layers is None else search.layers
        rows = torch.cat([weights[layer].detach().cpu().double() for layer in layers])  # A, (outputs, w_dim)
        _check_components(search.components, rows.shape[1])
        rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
        values, vectors = torch.linalg.eigh(rows.T @ rows)  # ascending
        total = values.sum()
        return [
            FoundDirection(_signed(vectors[:, -number]), {"eigenvalue_share": round(float(values[-number] / total), 6)})
            for number in range(1, search.components + 1)
        ]


def _check_components(components: int, width: int) -> None:
    if components > width:
        raise ShapeError(f"a w of {width} numbers has no {components} components; ask for fewer (--components)")


def _signed(vector: Tensor) -> Tensor:
    """Choose the sign that makes the largest number positive, for an eigenvector has none."""
    return vector * vector[vector.abs().argmax()].sign()
