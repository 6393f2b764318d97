"""The `register` callback of the kinds without settings, such as `gdp_register_converters`."""

from __future__ import annotations

from gdp.core.errors import PluginError
from gdp.core.records import Needs, PlainKind, PlainRecord
from gdp.registry.record_checks import check_needs, check_words


class PlainCollector:
    """Collects what one plugin registers of a kind without settings; an instance is the hook's `register` argument."""

    def __init__(self, kind: PlainKind, package: str, version: str) -> None:
        self.kind: PlainKind = kind
        self.package = package
        self.version = version
        self.records: list[PlainRecord] = []

    def __call__(
        self,
        name: str,
        *,
        implementation: str,
        summary: str,
        needs: Needs | None = None,
        licence: str = "Apache-2.0",
    ) -> None:
        """Register one; see `gdp.core.records.RegisterPlain`.

        Raises:
            PluginError: a value that could not work later.
        """
        needs = Needs() if needs is None else needs
        check_words(name, implementation, summary, licence)
        check_needs(name, needs)
        if any(record.name == name for record in self.records):
            raise PluginError(f"register({name!r}): registered twice by the same package")
        self.records.append(
            PlainRecord(self.kind, name, summary, implementation, needs, licence, self.package, self.version)
        )
