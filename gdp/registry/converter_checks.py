"""The `register` callback of `gdp_register_converters`."""

from __future__ import annotations

from gdp.core.errors import PluginError
from gdp.core.records import ConverterRecord, Needs
from gdp.registry.record_checks import check_needs, check_words


class ConverterCollector:
    """Collects the foreign layouts that one plugin registers; an instance is the hook's `register` argument."""

    def __init__(self, package: str, version: str) -> None:
        self.package = package
        self.version = version
        self.records: list[ConverterRecord] = []

    def __call__(
        self,
        name: str,
        *,
        implementation: str,
        summary: str,
        needs: Needs | None = None,
        licence: str = "Apache-2.0",
    ) -> None:
        """Register one layout; see `gdp.core.records.RegisterConverter`.

        Raises:
            PluginError: a value that could not work later.
        """
        needs = Needs() if needs is None else needs
        check_words(name, implementation, summary, licence)
        check_needs(name, needs)
        if any(record.name == name for record in self.records):
            raise PluginError(f"register({name!r}): registered twice by the same package")
        self.records.append(ConverterRecord(name, summary, implementation, needs, licence, self.package, self.version))
