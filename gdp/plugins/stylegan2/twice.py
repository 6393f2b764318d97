"""Operators of StyleGAN2 for what is differentiated twice: R1 and the path length.

torch's second derivative of a convolution finds the gradient of the weights by a convolution whose kernel is as large
as a picture, four to ten times slower on a processor than that of first order (`bench/regularisers.py`). Here the
three maps that <g, x * w> determines, all linear in both of their arguments, are each other's derivatives: convolution
C(x, w), its transpose T(g, w) and its weights' gradient W(g, x), with <g, C(x, w)> = <x, T(g, w)> = <w, W(g, x)>.

R1 and the path length first ask for gradients of pictures and latents alone. A Python function of autograd computes the
gradients of all its inputs, whichever are asked for. So weights enter by a function of their own, `_Weights`, which
autograd leaves out where it seeks no gradient of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LEAKY_SLOPE = 0.2

Size = tuple[int, int]
"""Height and width."""
Place = tuple[int, int]
"""Stride and padding."""

_TWICE: ContextVar[bool] = ContextVar("twice", default=False)


@contextmanager
def differentiated_twice() -> Iterator[None]:
    """Let networks that work inside of it have fast second derivatives; once they are no faster than torch's own."""
    token = _TWICE.set(True)
    try:
        yield
    finally:
        _TWICE.reset(token)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, k, k) and bias (O,), as `functional.conv2d` does."""
    return (
        _convolve(x, weight, bias, stride, padding)
        if _TWICE.get()
        else functional.conv2d(x, weight, bias, stride, padding)
    )


def convolve_transposed(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve x (N, I, H, W) with weight (I, O, k, k), as `functional.conv_transpose2d` does without padding."""
    if not _TWICE.get():
        return functional.conv_transpose2d(x, weight, stride=stride)
    height, width = ((edge - 1) * stride + weight.shape[2] for edge in x.shape[2:])
    return _transposed(x, weight, (stride, 0), (height, width))


def activate(x: Tensor) -> Tensor:
    """Apply the leaky ReLU of slope 0.2, in place where x is no view: new memory costs more than the multiplication."""
    in_place = not x._is_view()  # a 1x1 convolution's result is one, and its gradients would lose their memory layout
    if not (_TWICE.get() and _is_tracked(x)):
        return functional.leaky_relu(x, LEAKY_SLOPE, inplace=in_place)
    result: Tensor = _LeakyRelu.apply(x, in_place)
    return result


def scale_and_shift(y: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Return offset (C, 1, 1) + y (N, C, H, W) * scale (N, C, 1, 1), in y's memory where nothing is differentiated."""
    if not _is_tracked(y, scale, offset):
        return torch.addcmul(offset, y, scale, out=y)
    result: Tensor = _Scaled.apply(y, scale, offset)
    return result


def _is_tracked(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in tensors)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    if not _is_tracked(x, weight, bias):
        return functional.conv2d(x, weight, bias, stride, padding)
    height, width = ((edge + 2 * padding - weight.shape[2]) // stride + 1 for edge in x.shape[2:])
    weight, place, shape = _laid_out(weight, x), (stride, padding), (len(x), len(weight), height, width)
    entry = _Weights.apply(weight, bias, [x], place, False, shape)
    result: Tensor = _Convolution.apply(x, entry, [weight, bias], place)
    return result


def _laid_out(weight: Tensor, x: Tensor) -> Tensor:
    """Return a weight in the memory layout of the pictures x, once for all the convolutions to come."""
    nhwc = torch.channels_last
    return weight.contiguous(memory_format=nhwc) if x.is_contiguous(memory_format=nhwc) else weight


def _transposed(g: Tensor, weight: Tensor, place: Place, size: Size) -> Tensor:
    if not _is_tracked(g, weight):
        return _transpose(g, weight, place, size)
    weight = _laid_out(weight, g)
    entry = _Weights.apply(weight, None, [g], place, True, (len(g), weight.shape[1], *size))
    result: Tensor = _Transposed.apply(g, entry, [weight], place, size)
    return result


def _transpose(g: Tensor, weight: Tensor, place: Place, size: Size) -> Tensor:
    stride, padding = place
    least = [(edge - 1) * stride - 2 * padding + weight.shape[2] for edge in g.shape[2:]]
    extra = [size[0] - least[0], size[1] - least[1]]  # rows and columns that a stride left out
    return functional.conv_transpose2d(g, weight, stride=stride, padding=padding, output_padding=extra)


def _weight_gradient(g: Tensor, x: Tensor, place: Place, kernel: int) -> Tensor:
    function = _WeightGradient.apply if _is_tracked(g, x) else _find_weight_gradient
    result: Tensor = function(g, x, place, kernel)
    return result


def _find_weight_gradient(g: Tensor, x: Tensor, place: Place, kernel: int) -> Tensor:
    gradient = _find_gradients(g, x, place, kernel, [False, True, False])[1]
    assert gradient is not None
    return gradient


def _find_gradients(
    g: Tensor, x: Tensor, place: Place, kernel: int, which: list[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    (stride, padding), like = place, _laid_out(x.new_empty(g.shape[1], x.shape[1], kernel, kernel), x)
    where = [len(like)], [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1
    found: tuple[Tensor | None, Tensor | None, Tensor | None]
    found = torch.ops.aten.convolution_backward(g, x, like, *where, which)
    return found


class _Weights(torch.autograd.Function):
    """Where the weights and the bias of C(x, w) or T(x, w) enter: no numbers, of the result's shape.

    What stands in a list is no input to autograd, but keeps its own history: further derivatives know of it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor | None,
        others: list[Tensor],
        place: Place,
        transposed: bool,
        shape: tuple[int, ...],
    ) -> Tensor:
        ctx.save_for_backward(*others)
        ctx.kernel, ctx.place, ctx.transposed = weight.shape[2], place, transposed
        return weight.new_empty(()).expand(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        g, (x,) = gradients[0], ctx.saved_tensors
        for_weight, for_bias = ctx.needs_input_grad[:2]
        out, into = (x, g) if ctx.transposed else (g, x)
        if for_bias and not torch.is_grad_enabled():  # torch's own finds both in one go
            return (
                *_find_gradients(out, into, ctx.place, ctx.kernel, [False, for_weight, True])[1:],
                None,
                None,
                None,
                None,
            )
        of_weight = _weight_gradient(out, into, ctx.place, ctx.kernel) if for_weight else None
        return of_weight, g.sum(dim=(0, 2, 3)) if for_bias else None, None, None, None, None


class _Convolution(torch.autograd.Function):
    """C(x, w), plus a bias; its gradient for x, and the way to that of the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, entry: Tensor, weights: list[Tensor | None], place: Place) -> Tensor:
        weight, bias = weights
        assert weight is not None
        ctx.save_for_backward(weight)
        ctx.place, ctx.size = place, tuple(x.shape[2:])
        return functional.conv2d(x, weight, bias, *place)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        g, (weight,) = gradients[0], ctx.saved_tensors
        for_x, for_weights = ctx.needs_input_grad[:2]
        of_x = _transposed(g, weight, ctx.place, ctx.size) if for_x else None
        return of_x, g if for_weights else None, None, None


class _Transposed(torch.autograd.Function):
    """T(g, w), to a given height and width; its gradient for g, and the way to that of the weights."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, entry: Tensor, weights: list[Tensor], place: Place, size: Size) -> Tensor:
        ctx.save_for_backward(*weights)
        ctx.place = place
        return _transpose(g, weights[0], place, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, (weight,) = gradients[0], ctx.saved_tensors
        for_g, for_weights = ctx.needs_input_grad[:2]
        of_g = _convolve(x, weight, None, *ctx.place) if for_g else None
        return of_g, x if for_weights else None, None, None, None


class _WeightGradient(torch.autograd.Function):
    """W(g, x), for a square kernel of so many pixels a side."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, place: Place, kernel: int) -> Tensor:
        ctx.save_for_backward(g, x)
        ctx.place = place
        return _find_weight_gradient(g, x, place, kernel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, (g, x) = gradients[0], ctx.saved_tensors
        for_g, for_x = ctx.needs_input_grad[:2]
        of_g = _convolve(x, weight, None, *ctx.place) if for_g else None
        of_x = _transposed(g, weight, ctx.place, tuple(x.shape[2:])) if for_x else None
        return of_g, of_x, None, None


class _Scaled(torch.autograd.Function):
    """`scale_and_shift`; torch's own derivatives multiply all of y by 1 once more."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        ctx.save_for_backward(y, scale)
        return torch.addcmul(offset, y, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        g, (y, scale) = gradients[0], ctx.saved_tensors
        return g * scale, (g * y).sum(dim=(2, 3), keepdim=True), g.sum(dim=(0, 2, 3))[:, None, None]


class _LeakyRelu(torch.autograd.Function):
    """The leaky ReLU, whose second derivative is left out and not, as torch's own, a picture of zeros."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, in_place: bool) -> Tensor:
        y = functional.leaky_relu(x, LEAKY_SLOPE, inplace=in_place)
        if in_place:
            ctx.mark_dirty(y)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        slope: Tensor = _LeakyReluSlope.apply(gradients[0], y.detach())
        return slope, None


class _LeakyReluSlope(torch.autograd.Function):
    """A gradient (N, C, H, W) where the leaky ReLU's result y is positive, elsewhere times the slope."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        scaled: Tensor = torch.ops.aten.leaky_relu_backward(gradient, y, LEAKY_SLOPE, True)
        return scaled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _LeakyReluSlope.apply(gradients[0], *ctx.saved_tensors), None
