"""A plugin's class whose members are watched: what they raise is told in its name, what they return is checked.

So a teacher that fails inside a pair source is blamed, and not the pair source; a caller need not foresee anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property, wraps
from typing import Any

from gdp.core.contracts.asking import Asked, Rule, WrongAnswerError
from gdp.core.contracts.rules import RULES
from gdp.core.errors import NAME_OF, PluginError

CONTRACT = "_contract"
"""Attribute of an interface outside of core: the rules of its members by name."""
_INTERFACES = ("gdp.core.interfaces.", "gdp.support.interfaces.", "gdp.support.foreign.")

_FIRST = 8
"""Answers of a member that are looked at whole: the very first may be of one picture, on trial."""

Blame = Callable[[str], AbstractContextManager[None]]
"""What names a plugin in the errors that are raised inside, as `plugin_errors` does."""


def answering(implementation: type[Any], where: str, blame: Blame) -> type[Any]:
    """Return a class that is the plugin's in all but this: what its interface's members raise and return is watched.

    Args:
        implementation: the plugin's class.
        where: what errors call the plugin.
        blame: names it in what is raised inside.
    """
    interfaces = [base for base in implementation.__mro__ if base.__module__.startswith(_INTERFACES)]
    members: dict[str, Rule | None] = {}
    for interface in reversed(interfaces):
        rules = vars(interface).get(CONTRACT, RULES.get(interface.__name__, {}))
        names = {name for name in vars(interface) if not name.startswith("_")} | rules.keys()
        members |= {name: rules.get(name, members.get(name)) for name in names}
    body: dict[str, Any] = {"__module__": implementation.__module__, "__doc__": implementation.__doc__, NAME_OF: where}
    for name, rule in members.items():
        watched = _watched(implementation, name, rule, where, blame)
        if watched is not None:
            body[name] = watched
    metaclass: Any = type(implementation)  # ABCMeta, as a rule
    made: type[Any] = metaclass(implementation.__name__, (implementation,), body)
    made.__qualname__ = implementation.__qualname__
    return made


def _watched(implementation: type[Any], name: str, rule: Rule | None, where: str, blame: Blame) -> Any:
    """Return the member as it is watched; None for what is left as it is: words and settings."""
    found = inspect.getattr_static(implementation, name, None)
    watch = _Watch(name, rule, where, blame)
    if isinstance(found, property) and found.fget is not None:
        return property(watch.around(found.fget), found.fset, found.fdel, found.__doc__)
    if isinstance(found, cached_property):
        return property(watch.around(lambda plugin: found.__get__(plugin, implementation)), doc=found.__doc__)
    if inspect.isfunction(found):
        return watch.around(found)
    if isinstance(found, classmethod | staticmethod):
        function, is_static = found.__func__, isinstance(found, staticmethod)
        return classmethod(watch.around(lambda kind, *given: function(*given) if is_static else function(kind, *given)))
    return _Value(found, watch) if rule is not None and not hasattr(found, "__get__") else None


class _Value:
    """An attribute of a class that stands for a property: `resolution = 64`; an instance's own comes first."""

    def __init__(self, value: Any, watch: _Watch) -> None:
        self._value, self._look = value, watch.around(lambda plugin: value)

    def __get__(self, plugin: Any, owner: type[Any]) -> Any:
        return self._value if plugin is None else self._look(plugin)


class _Watch:
    """Watches one member of a plugin."""

    def __init__(self, member: str, rule: Rule | None, where: str, blame: Blame) -> None:
        self._member, self._rule, self._where, self._blame = member, rule, where, blame
        self._answers = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, watched."""

        @wraps(function)
        def ask(plugin: Any, *arguments: Any, **named: Any) -> Any:
            with self._blame(self._where):
                first = self._answers < _FIRST
                before = _versions(arguments, first)
                answer = function(plugin, *arguments, **named)
                asked = Asked(plugin, self._member, (*arguments, *named.values()), first)
                try:
                    if before != _versions(arguments, first):
                        raise WrongAnswerError("changed what it was given to look at, which others look at, too")
                    answer = answer if self._rule is None else self._rule(answer, asked)
                except WrongAnswerError as error:
                    raise self._wrong(error) from None
            self._answers += 1
            if inspect.isgenerator(answer):
                return self._through(answer)
            return answer

        return ask

    def _through(self, answers: Iterator[Any]) -> Iterator[Any]:
        """Yield what a plugin yields, so that what it raises meanwhile is told in its name."""
        with self._blame(self._where):
            try:
                yield from answers
            except WrongAnswerError as error:
                raise self._wrong(error) from None

    def _wrong(self, error: WrongAnswerError) -> PluginError:
        wrong = PluginError(f"{self._member} {error}. This is a fault of the plugin: tell its author.")
        wrong.blame(self._where)
        return wrong


_LOOKED_AT = {"PairBatch": ("source", "target"), "TrainingStep": ("source",), "DirectionSearch": ("w", "label")}
"""What a plugin looks at of what it is given, beside tensors and arrays themselves."""


def _versions(arguments: tuple[Any, ...], first: bool) -> list[int]:
    """Return how often what a plugin looks at was written to; of arrays their hashes, at first."""
    parts = [getattr(each, name) for each in arguments for name in _LOOKED_AT.get(type(each).__name__, ())]
    tensors = [each for each in (*arguments, *parts) if hasattr(each, "is_inference") and not each.is_inference()]
    arrays = [each for each in arguments if first and type(each).__name__ == "ndarray"]
    return [*(tensor._version for tensor in tensors), *(hash(array.tobytes()) for array in arrays)]
