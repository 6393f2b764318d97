"""What the rules of plugins' contracts are written with."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gdp.core.errors import printable

if TYPE_CHECKING:
    from torch import Tensor


class Bounds(NamedTuple):
    """How far from [-1, 1] the values of pictures may be, which of random weights are wild, too."""

    mean: float
    """Their mean's distance from 0."""
    outside: float
    """Their share outside [-1, 1]."""


LARGEST = 50.0
"""Further from 0 no value gets, however wild: random weights reach 22. Levels reach 255."""
ALONE, TOGETHER, FEW = Bounds(2.5, 0.95), Bounds(1.75, 0.85), 4
"""Bounds of fewer than 4 pictures, and of more. Generators of random weights (16 to 1024 px, 64 drawings each) reach
2.25 and 0.91 with one picture, 1.51 and 0.72 with 4."""
MANY, OUTSIDE, SHARPEST = 32, 0.3, 2.1
"""Of so many pictures such a share of values outside [-1, 1] is refused where the values end sharply, as at white and
black on another scale: 99.5 % of them lie within 2.1 times what holds 80 %. Of the embedded teacher's faces, three
times too bright, 0.38 to 0.47 lie outside and that ratio is 1.74 to 1.98; random weights have 0.12 to 0.65, and 2.24 to
6.2."""
_VALUES = 1_000_000
"""Of more values every second, third ... is looked at."""
_ROUNDED = 1.01
"""What lies no further out is due to rounding."""


LONGEST = 200
"""Characters of what a plugin says in a line of pictures, or of a licence."""


class WrongAnswerError(Exception):
    """An answer breaks the contract of its kind; the words go on behind the plugin's name."""


@dataclass(frozen=True)
class Asked:
    """A question that a plugin has answered."""

    plugin: Any
    member: str
    arguments: tuple[Any, ...]
    first: bool
    """Whether it is among the first answers of this member: what takes long is looked at then."""


Rule = Callable[[Any, Asked], Any]
"""From an answer to what the caller gets; raises `WrongAnswerError`."""


def shown(value: object) -> str:
    """Name an answer in a few words: its type, of a tensor its type of numbers and shape.

    For refusals alone: of a list of tensors every number is read and written out, which waits for a GPU, too.
    """
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "dtype"):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(shape)}"
    if value is None:
        return "None"
    try:
        text = printable(" ".join(repr(value).split()))
    except Exception:  # noqa: BLE001 # a third party's __repr__ may raise anything
        text = "that cannot be shown"
    return f"{type(value).__name__} {text:.40}"


def require(good: bool, words: str) -> None:
    """Refuse an answer in these words if it is not good."""
    if not good:
        raise WrongAnswerError(words)


def a(kind: type[Any] | tuple[type[Any], ...], words: str) -> Rule:
    """Return the rule that an answer is of a type, `words` for people."""

    def rule(answer: Any, asked: Asked) -> Any:
        if not isinstance(answer, kind):
            raise WrongAnswerError(f"must be {words}, and is {shown(answer)}")
        return answer

    return rule


def a_number(least: int, words: str, *, or_none: bool = False) -> Rule:
    """Return the rule that an answer is a whole number of `least` or more."""

    def rule(answer: Any, asked: Asked) -> Any:
        is_number = isinstance(answer, int) and not isinstance(answer, bool) and answer >= least
        if not (is_number or (or_none and answer is None)):
            raise WrongAnswerError(f"must be {words}, and is {shown(answer)}")
        return answer

    return rule


def several(kind: type[Any] | tuple[type[Any], ...], words: str) -> Rule:
    """Return the rule that an answer is any number of things of a type, yielded or listed; the caller gets a list."""

    def rule(answer: Any, asked: Asked) -> Any:
        if not (isinstance(answer, Iterable) and not isinstance(answer, str)):
            raise WrongAnswerError(f"must return {words}, and is {shown(answer)}")
        found = list(answer)
        wrong = [each for each in found if not isinstance(each, kind)]
        if wrong:
            raise WrongAnswerError(f"must return {words}, and {shown(next(iter(wrong), None))} is among them")
        return found

    return rule


def line(answer: Any, asked: Asked) -> Any:
    """A short line of text."""
    good = isinstance(answer, str) and 0 < len(answer) <= LONGEST and answer.isprintable()
    if not good:
        raise WrongAnswerError(f"must be a short line of text, and is {shown(answer)}")
    return answer


text = a(str, "text")
yes_or_no = a(bool, "True or False")


def channels(answer: Any, asked: Asked) -> Any:
    """Channels of the source of a pair."""
    require(answer in (3, 6), f"must be 3 for each input picture, of which there are one or two, and is {answer!r}")
    return answer


def network(answer: Any, asked: Asked) -> Any:
    """Hold a network to be one."""
    from torch import nn

    if not isinstance(answer, nn.Module):
        raise WrongAnswerError(f"must be a torch.nn.Module, and is {shown(answer)}")
    return answer


def maybe(rule: Rule) -> Rule:
    """Return the rule for an answer that may be None."""
    return lambda answer, asked: None if answer is None else rule(answer, asked)


def json_figures(answer: Any, asked: Asked) -> Any:
    """Figures by name that a file of a run can hold."""
    if not isinstance(answer, Mapping):
        raise WrongAnswerError(f"must return figures by name, and returned {shown(answer)}")
    try:
        json.dumps(dict(answer), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise WrongAnswerError(
            f"must return what JSON can hold (text, finite numbers, lists, tables), and: {error}"
        ) from error
    return answer


def _is_computed(tensor: Tensor) -> bool:
    """Say whether a tensor has values: an estimate counts by shapes alone."""
    import torch

    return type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.device.type != "meta"


def check_pictures(tensor: Any, shape: Sequence[int | None], what: str, names: Sequence[object] = ()) -> None:
    """Make sure that pictures are finite floats of a shape, of which most lie in [-1, 1].

    Args:
        tensor: (N, C, H, W).
        shape: that is due; None where any number will do.
        what: what the pictures are, as a sentence begins.
        names: of the pictures, in order, for the message.

    Raises:
        WrongAnswerError: they are not.
    """
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise WrongAnswerError(f"{what} must be a tensor of pictures, and is {shown(tensor)}")
    if not tensor.is_floating_point():
        raise WrongAnswerError(f"{what} must be floats in [-1, 1], and is {shown(tensor)}")
    fits = tensor.ndim == len(shape) and all(due in (None, is_) for due, is_ in zip(shape, tensor.shape, strict=True))
    due = ", ".join("any" if size is None else str(size) for size in shape)
    if not fits:
        raise WrongAnswerError(f"{what} must be of the shape ({due}), and is {shown(tensor)}")
    if tensor.numel() and _is_computed(tensor):
        _check_range(tensor.detach(), what, names)


class _Seen(NamedTuple):
    """What the values of pictures are like."""

    least: float
    largest: float
    mean: float
    outside: float
    """Share of them outside [-1, 1]."""


def _check_range(tensor: Tensor, what: str, names: Sequence[object]) -> None:
    import torch

    rows = tensor.flatten(1)
    least, largest = rows.aminmax(dim=1)
    if bool(((least >= -1) & (largest <= 1)).all()):
        return
    figures = (least, largest, rows.mean(1, dtype=torch.float32), (rows.abs() > _ROUNDED).float().mean(1))
    seen = [_Seen(*row) for row in torch.stack([each.float() for each in figures], dim=1).tolist()]
    for place, each in enumerate(seen):
        _require_near(each, 1, f"{what} of {names[place]}" if names else what)
    least_of, largest_of, means, shares = zip(*seen, strict=True)
    together = _Seen(min(least_of), max(largest_of), sum(means) / len(seen), sum(shares) / len(seen))
    _require_near(together, len(seen), what)
    if len(seen) >= MANY:
        _require_scale(tensor, what)


def _require_near(seen: _Seen, pictures: int, name: str) -> None:
    is_finite = all(map(math.isfinite, seen))
    require(is_finite, f"{name} holds NaN or infinite values, and must be floats in [-1, 1]")
    bounds = ALONE if pictures < FEW else TOGETHER
    is_near = max(-seen.least, seen.largest) <= LARGEST
    require(
        is_near and abs(seen.mean) <= bounds.mean and seen.outside <= bounds.outside,
        f"{name} holds values from {seen.least:.4g} to {seen.largest:.4g}, {seen.outside:.0%} of them outside [-1, 1], "
        f"and pictures are floats in [-1, 1]",
    )


def _require_scale(pictures: Tensor, what: str) -> None:
    values = pictures.flatten()
    values = values[:: 1 + len(values) // _VALUES].abs().float()
    outside = float((values > _ROUNDED).float().mean())
    almost_all, most = (float(values.kthvalue(int(share * len(values))).values) for share in (0.995, 0.8))
    require(
        outside <= OUTSIDE or almost_all > SHARPEST * most,
        f"{what} holds values from {float(pictures.min()):.4g} to {float(pictures.max()):.4g}, {outside:.0%} of them "
        f"outside [-1, 1], that end as sharply as pictures on another scale, and pictures are floats in [-1, 1]",
    )
