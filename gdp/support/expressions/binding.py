"""Connecting an expression with the scores that there are, and asking it of one pair after the other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from gdp.core.errors import GdpError, UsageError
from gdp.core.pairs.records import Scores
from gdp.core.recipe.messages import did_you_mean
from gdp.support.expressions.parsing import Expression
from gdp.support.expressions.tree import Node, Reference, Value, truth

PICTURES = ("source", "source2", "target")
"""What a score's name begins with where the score is of one picture of the pair, such as `source_age`."""

Place = tuple[str, str]
"""A filter's name and its score's."""


@dataclass(frozen=True)
class Outcome:
    """What a condition says of one pair."""

    holds: bool | None
    """None where it is not known."""
    because: str = ""
    """The first condition that fails, or what is not known."""


@dataclass(frozen=True)
class BoundExpression:
    """An expression whose every name is known to be a score.

    Attributes:
        expression: What was bound.
        places: Where each name is looked up, for each picture; under "" where the name says it all.
        pictures: The pictures that the whole is asked of; ("",) where each name says of which picture it is.
    """

    expression: Expression
    places: Mapping[str, Mapping[str, Place]]
    pictures: tuple[str, ...]

    def judge(self, scores: Mapping[str, Scores]) -> Outcome:
        """Ask the condition of one pair: scores[filter's name][score's name].

        Raises:
            GdpError: a score is of the wrong kind for what is done with it.
        """
        unknown = Outcome(True)
        for picture in self.pictures:
            for text, condition in self.expression.conditions:
                looked = _Looked()
                value = truth(self._evaluate(condition, scores, picture, looked), condition)
                of_picture = f" ({picture})" if looked.of_picture else ""
                if value is False:
                    return Outcome(False, f"fails {text}{of_picture}")
                if value is None and unknown.holds:
                    cause = f"{looked.missing} is not known" if looked.missing else f"no value for {text}"
                    unknown = Outcome(None, f"{cause}{of_picture}")
        return unknown

    def value(self, scores: Mapping[str, Scores]) -> Value:
        """Return the value for one pair; None where it is not known.

        Raises:
            GdpError: a score is of the wrong kind for what is done with it.
        """
        return self._evaluate(self.expression.root, scores, self.pictures[0], _Looked())

    def _evaluate(self, node: Node, scores: Mapping[str, Scores], picture: str, looked: _Looked) -> Value:
        def look(name: str) -> Value:
            places = self.places[name]
            owner, score = places.get(picture) or places[""]
            value = scores.get(owner, {}).get(score)
            looked.of_picture |= "" not in places
            if value is None:
                looked.missing = looked.missing or name
            return value

        return node.evaluate(look)


@dataclass
class _Looked:
    """What was seen while a condition was asked of a pair."""

    missing: str = ""
    """The first name that has no value; empty where all have."""
    of_picture: bool = False
    """Whether a name stood for one of the pictures."""


def bind(expression: Expression, known: Mapping[str, Collection[str]], *, each_picture: bool = True) -> BoundExpression:
    """Find every name of an expression among the scores that there are.

    Args:
        expression: what was read.
        known: names of scores by filter; those under "" belong to no filter and go before all others.
        each_picture: whether a name without its picture is asked of each; if not, it is a mistake.

    Raises:
        UsageError: with every name that is unknown or that two filters have.
    """
    index = _Index(known)
    places: dict[str, Mapping[str, Place]] = {}
    mistakes = []
    for reference in expression.references:
        try:
            places[reference.name] = index.find(reference)
        except GdpError as error:
            mistakes.append(f"column {reference.column}: {error}")
    bare = {name: tuple(found) for name, found in places.items() if "" not in found}
    if len(set(bare.values())) > 1:
        shown = "; ".join(f"{name} of {', '.join(pictures)}" for name, pictures in bare.items())
        mistakes.append(f"these names are of different pictures ({shown}): say which, as in target_{next(iter(bare))}")
    elif bare and not each_picture:
        mistakes.append(f"say of which picture, as in target_{next(iter(bare))}")
    if mistakes:
        raise UsageError(f"{expression.text}: {'; '.join(mistakes)}")
    return BoundExpression(expression, places, next(iter(bare.values()), ("",)))


def written(name: str) -> str:
    """Return a filter's or score's name as an expression writes it: all but letters and digits become underscores."""
    return re.sub(r"\W", "_", name)


class _Index:
    """The scores that there are, by the names that an expression gives them."""

    def __init__(self, known: Mapping[str, Collection[str]]) -> None:
        self._plain = {written(name): ("", name) for name in known.get("", ())}
        self._filters: dict[str, dict[str, Place]] = {}
        for owner, names in known.items():
            if owner:
                self._filters.setdefault(written(owner), {}).update({written(name): (owner, name) for name in names})

    def find(self, reference: Reference) -> Mapping[str, Place]:
        """Return where a name is looked up, by picture."""
        owner, dot, score = reference.name.rpartition(".")
        if not dot and score in self._plain:
            return {"": self._plain[score]}
        if dot and owner not in self._filters:
            raise GdpError(f"{owner} is no filter before this one{did_you_mean(owner, self._filters)}")
        candidates = [owner] if dot else list(self._filters)
        found = {name: places for name in candidates if (places := dict(self._places(name, score)))}
        exact = {name: places for name, places in found.items() if "" in places}
        match list((exact or found).items()):
            case [(_, places)]:
                return places
            case []:
                raise GdpError(self._unknown(owner, score))
            case several:
                first = next(iter(several))[0]
                owners = " and ".join(name for name, _ in several)
                raise GdpError(f"{score} is a score of {owners}; write {first}.{score} or the like")

    def _places(self, owner: str, score: str) -> Iterator[tuple[str, Place]]:
        scores = self._filters[owner]
        if score in scores:
            yield "", scores[score]
            return
        for picture in PICTURES:
            if f"{picture}_{score}" in scores:
                yield picture, scores[f"{picture}_{score}"]

    def _unknown(self, owner: str, score: str) -> str:
        if not owner and score in self._filters:
            scores = ", ".join(f"{score}.{name}" for name in sorted(self._filters[score]))
            return f"{score} is a filter, not a score; {f'there is {scores}' if scores else 'it has no scores'}"
        if owner:
            return f"{owner} has no score {score}{did_you_mean(score, self._filters[owner])}"
        names = {name for scores in self._filters.values() for name in scores} | set(self._plain)
        if not names:
            return f"no score {score}: the filters before this one have measured nothing"
        return f"no score {score}{did_you_mean(score, names)}"
