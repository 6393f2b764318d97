"""The conformance kit: does a registered plugin keep what its kind promises?

In a test of a package, whole:

    from gdp.testing import conformance

    def test_brightness_keeps_its_promises():
        conformance.check("filter", "brightness", settings={"min_mean": 0.2})

or with a test for each property, named after it:

    @conformance.cases("filter", "brightness", settings={"min_mean": 0.2})
    def test_brightness(case):
        case()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from gdp.core.errors import GdpError
from gdp.core.records import PLAIN_KINDS, Kind, PlainKind
from gdp.registry import PluginRegistry
from gdp.testing.examples import World, latent_world, translation_world
from gdp.testing.findings import DoesNotApplyError, NotConformantError
from gdp.testing.properties import Property, properties_of
from gdp.testing.subject import AnySubject, PlainSubject, Subject

if TYPE_CHECKING:
    import pytest

BUILDING = "it-can-be-built"

__all__ = ["Case", "NotConformantError", "cases", "check", "make_cases", "properties"]


@dataclass(frozen=True)
class Case:
    """One property of one plugin; call it to check."""

    promise: Property
    subject: AnySubject

    @property
    def name(self) -> str:
        """What the property is called, in words joined by hyphens."""
        return self.promise.name

    def __call__(self) -> str:
        """Check the property; return a remark where it does not apply, else an empty line.

        Raises:
            NotConformantError: the plugin lacks it; the message says what, where, and how to mend it.
        """
        subject = self.subject
        who = f"{subject.kind} {subject.name}: {self.name}"
        try:
            self.promise.check(subject)
        except DoesNotApplyError as reason:
            return f"does not apply: {reason}"
        except NotConformantError as finding:
            where = f"\n  where: {subject.record.implementation}"
            raise NotConformantError(
                f"{who} ({self.promise.about})\n  {finding.what}{where}", finding.mend
            ) from finding
        except GdpError as error:
            raise NotConformantError(f"{who}\n  {type(error).__name__}: {error}", _MEND_ERROR) from error
        except Exception as error:
            raise NotConformantError(f"{who}\n  raised {type(error).__name__}: {error}", _MEND_EXCEPTION) from error
        return ""


_MEND_ERROR = "give settings=... or world=... with which the plugin can be built here (or record_only=True)"
_MEND_EXCEPTION = (
    "see the traceback above; errors that a user can mend are gdp.GdpError, and teacher, dataset and pairs that the "
    "plugin needs are given by world=..."
)


def check(
    kind: Kind | PlainKind,
    name: str,
    *,
    settings: Mapping[str, Any] | None = None,
    world: World | None = None,
    registry: PluginRegistry | None = None,
    tolerance: float = 0.0,
    varying: Sequence[str] = (),
    without: Mapping[str, str] | None = None,
    record_only: bool = False,
    pays: bool = False,
    patience: float = 60.0,
) -> dict[str, str]:
    """Check all properties of a registered plugin and tell all that it lacks at once.

    Args:
        kind: such as `filter`.
        name: the plugin's, as recipes write it.
        settings: its settings, as a recipe writes them; by default none. Commands and executors have none.
        world: teacher, dataset, pairs, student and run that it meets; by default `examples.latent_world()`, for losses
            `examples.translation_world()`.
        registry: where it is registered; by default all that is installed, and $GDP_PLUGINS_DIR.
        tolerance: how much numbers may differ where the kit expects equal bits, as for networks that add in another
            order in another batch.
        varying: patterns of the names of numbers and files that differ from run to run, such as `speed.*`.
        without: properties to leave out, each with the reason.
        record_only: check what needs no implementation, for plugins that cannot be built here.
        pays: let the plugin pay for calls; else no call passes its book of answers, and what needs one is left out.
        patience: seconds that its work on a few pictures may take, or an executor's worker to start and answer.

    Returns:
        For every property, by name: an empty line, or why it does not apply or was left out.

    Raises:
        NotConformantError: with everything that is lacking.
        PluginNotFoundError: no such plugin is usable; the message says why.
        ValueError: `without` names no property of this kind, or there is no such kind.
    """
    given: dict[str, Any] = {"settings": settings, "world": world, "registry": registry, "tolerance": tolerance}
    given |= {"varying": varying, "without": without, "record_only": record_only, "pays": pays, "patience": patience}
    chosen = make_cases(kind, name, **given)
    remarks = dict(without or {})
    findings: list[NotConformantError] = []
    for case in chosen:
        try:
            remarks[case.name] = case()
        except NotConformantError as finding:
            findings.append(finding)
            if case.name == BUILDING:
                break  # all that follows would fail for the same reason
    if len(findings) == 1:
        raise findings[0]
    if findings:
        told = "\n\n".join(str(finding) for finding in findings)
        raise NotConformantError(f"{len(findings)} properties are lacking:\n\n{told}", "mend them one by one")
    return remarks


def cases(kind: Kind | PlainKind, name: str, **options: Any) -> pytest.MarkDecorator:
    """Return a decorator that makes one test of each property; the test takes `case` and calls it.

    Args:
        kind: such as `filter`.
        name: the plugin's.
        options: those of `check`.
    """
    import pytest

    chosen = make_cases(kind, name, **options)
    return pytest.mark.parametrize("case", chosen, ids=[case.name for case in chosen])


def make_cases(
    kind: Kind | PlainKind,
    name: str,
    *,
    settings: Mapping[str, Any] | None = None,
    world: World | None = None,
    registry: PluginRegistry | None = None,
    tolerance: float = 0.0,
    varying: Sequence[str] = (),
    without: Mapping[str, str] | None = None,
    record_only: bool = False,
    pays: bool = False,
    patience: float = 60.0,
) -> list[Case]:
    """Return a callable for each property; the arguments are those of `check`.

    Raises:
        PluginNotFoundError: no such plugin is usable; the message says why.
        ValueError: `without` names no property of this kind, or there is no such kind.
    """
    known = properties(kind)
    registry = registry or PluginRegistry.discover()
    plain = next((each for each in PLAIN_KINDS if each == kind), None)
    subject: AnySubject
    if plain is not None:
        subject = PlainSubject(plain, name, registry, patience)
    else:
        world = world or _default_world(kind)
        given = (settings or {}, world, tolerance, tuple(varying), patience, pays)
        subject = Subject(cast(Kind, kind), name, registry, *given)
    _ = subject.record  # a name that is not registered is told before anything is checked
    left_out = set(without or {})
    if left_out - set(known):
        raise ValueError(
            f"a {kind} has no property {', '.join(sorted(left_out - set(known)))}; it has {', '.join(known)}"
        )
    return [
        Case(found, subject)
        for found in properties_of(kind)
        if found.name not in left_out and (found.of_record or not record_only)
    ]


def properties(kind: Kind | PlainKind) -> dict[str, str]:
    """Return the properties of a kind: name to what is asked."""
    return {found.name: found.about for found in properties_of(kind)}


def _default_world(kind: str) -> World:
    make: Callable[[], World] = translation_world if kind == "loss" else latent_world
    return make()
