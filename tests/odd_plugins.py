"""Makes of a right plugin one that is wrong in one answer, for the zoos of wrong plugins.

An answer is an expression of `right` (what the right plugin answers), `self` and `given` (the arguments); `fail(error)`
raises. Where no member is named, all answers are right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gdp

RAISES = {
    "fail(ValueError('two\\nlines'))": "failed with ValueError: two lines",
    "fail(SystemExit(3))": "failed with SystemExit: 3",
    "fail(type('PanicError', (BaseException,), {})('core'))": "failed with PanicError: core",
    "None.nothing": "failed with AttributeError",
    "fail(gdp.GdpError('mend it'))": ": mend it",
}
"""Ways to fail of any member, and what is told then behind the plugin's name."""

Wrong = Callable[[Any], tuple[str, str]]
"""From a plugin to its member that answers wrongly, and what it answers."""


def fail(error: BaseException) -> Any:
    """Raise an error inside an expression."""
    raise error


def odd(base: type[Any], wrong: Wrong, *members: str) -> type[Any]:
    """Return a class that is the base in all but one answer: of its constructor, or of a member named here."""

    def construct(self: Any, *given: Any) -> None:
        if base.__init__ is not object.__init__:
            base.__init__(self, *given)
        if wrong(self)[0] == "__init__":
            _answer(self, wrong, None, ())

    def method(name: str) -> Any:
        def ask(self: Any, *given: Any) -> Any:
            right = getattr(base, name)
            if wrong(self)[0] != name:
                return right(self, *given)
            return _answer(self, wrong, lambda: right(self, *given), given)

        return ask

    def attribute(name: str) -> Any:
        def ask(self: Any) -> Any:
            found = getattr(base, name)
            right = found.fget(self) if isinstance(found, property) else found
            return right if wrong(self)[0] != name else _answer(self, wrong, lambda: right, ())

        return property(ask)

    body: dict[str, Any] = {"__init__": construct}
    for name in members:
        found = getattr(base, name)
        body[name] = method(name) if callable(found) else attribute(name)
    return type(base)(f"Odd{base.__name__}", (base,), body)


def answer_of(config: Any, member: str, right: Any) -> Any:
    """Return what a class method answers whose settings say it."""
    return _evaluated(config.answer, lambda: right) if config.member == member else right


def _answer(self: Any, wrong: Wrong, right: Any, given: tuple[Any, ...]) -> Any:
    return _evaluated(wrong(self)[1], right, self=self, given=given)


def _evaluated(answer: str, right: Callable[[], Any], **more: Any) -> Any:
    import torch

    names = {"torch": torch, "gdp": gdp, "fail": fail, "nan": float("nan"), **more}
    if "right" in answer:
        names["right"] = right()
    return eval(answer, names)
