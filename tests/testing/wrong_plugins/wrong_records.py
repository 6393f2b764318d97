"""Filters whose light record lacks one property each; the implementation is the same sound one."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

import gdp


class Sound(gdp.Config):
    limit: float = Field(default=0.1, ge=0)
    """Smallest mean of the target, in [-1, 1]."""


class Undocumented(gdp.Config):
    limit: float = 0.1


class OpenTable(BaseModel):
    depth: int = 0
    """A number."""


class WithOpenTable(gdp.Config):
    table: OpenTable = OpenTable()
    """A table that takes unknown keys."""


class Changeable(gdp.Config):
    model_config = ConfigDict(frozen=False)
    limit: float = 0.1
    """Smallest mean of the target, in [-1, 1]."""


class NotIdempotent(gdp.Config):
    words: str = "a"
    """Grows whenever it is read."""

    @field_validator("words")
    @classmethod
    def _grow(cls, words: str) -> str:
        return words + "!"


class RaisesTypeError(gdp.Config):
    limit: object = 0.1
    """Compared with a number before it is known to be one."""

    @field_validator("limit")
    @classmethod
    def _positive(cls, limit: object) -> object:
        if limit < 0:
            raise ValueError("must be positive")
        return limit


@gdp.hookimpl
def gdp_register_filters(register):
    models = {
        "undocumented": Undocumented,
        "open-table": WithOpenTable,
        "changeable": Changeable,
        "not-idempotent": NotIdempotent,
        "raises-type-error": RaisesTypeError,
        "nothing-but-a-name": Sound,
    }
    for name, model in models.items():
        summary = "Nothing but a name" if model is Sound else "Keeps everything"
        register(name, config=model, implementation="wrong_records:KeepsAll", summary=summary)
    register("no-docstring", config=Sound, implementation="wrong_records:NoDocstring", summary="Keeps everything")


class KeepsAll(gdp.Filter):
    """Keeps everything."""

    def judge(self, pairs):
        return [gdp.Verdict.keep()] * len(pairs)


class NoDocstring(KeepsAll):
    pass


NoDocstring.__doc__ = None
