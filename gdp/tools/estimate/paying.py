"""What a trial pays at most, where it was told to pay."""

from __future__ import annotations

from gdp.core.building import plugin_errors
from gdp.core.run.judging import named_filters
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import wanted
from gdp.tools.estimate.judging import TELLING
from gdp.tools.estimate.limits import Limits
from gdp.tools.estimate.pairs import STAND_INS


def allow_paying(session: Session, *, pairs_alone: bool) -> str:
    """Let a trial pay for what its plugins foretell and for nothing else; return in words what that is at most.

    Args:
        session: of the run that is tried.
        pairs_alone: whether one pair is made and no filter asked, as in a dry run.
    """
    tried = 1 if pairs_alone else min(STAND_INS, wanted(session))
    with plugin_errors(f"pair source {session.recipe.pairs.record.name}"):
        most = session.pair_source.forecast(tried).dollars
    if not pairs_alone:
        sources = session.pair_source.input_channels // 3
        for named in named_filters(session):
            with plugin_errors(f"filter {named.name}"):
                most += named.judge.forecast(min(TELLING, tried), sources).dollars
    session.pays, session.limit = True, Limits(None, most)
    return f"pays at most {most:.6g} $: for what {tried} pair{'s' if tried > 1 else ''} cost, as its plugins foretell"
