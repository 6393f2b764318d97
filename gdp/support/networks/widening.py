"""Give a wider network the weights of a narrower one so that it begins as the same function."""

from __future__ import annotations

from torch import Tensor


def widened(fresh: Tensor, given: Tensor, *, inputs: int | None = None, scale: float = 1.0) -> Tensor:
    """Return a weight as the wider network begins with it (Net2Net's function-preserving idea, arXiv 1511.05641).

    What was there reads nothing of what is new, for those weights are zero; what is new keeps the random weights that
    it was built with, so that it has something to say as soon as it is listened to.

    Args:
        fresh: the wider network's own, of any number of dimensions.
        given: the narrower one's: as many dimensions, each at most as large.
        inputs: the dimension of what is read (1 of a convolution's, 0 of a transposed one's); None for a bias and the
            like, which reads nothing. Dimensions of other sizes than the given weight's are outputs.
        scale: what the given weight is multiplied by, where the network divides by a number of inputs that has grown.

    Raises:
        ValueError: the given weight does not fit into the fresh one.
    """
    if given.ndim != fresh.ndim or any(old > new for old, new in zip(given.shape, fresh.shape, strict=True)):
        raise ValueError(f"weights of shape {tuple(given.shape)} are no part of {tuple(fresh.shape)}")
    whole = fresh.clone()
    corner = tuple(slice(size) for size in given.shape)
    if inputs is not None:
        rows = tuple(slice(None) if place == inputs else part for place, part in enumerate(corner))
        whole[rows] = 0
    whole[corner] = given.to(fresh.dtype) * scale
    return whole
