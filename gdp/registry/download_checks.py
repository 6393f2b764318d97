"""The `register` callback of `gdp_register_downloads`: refuses what could not be downloaded safely later."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gdp.core.errors import PluginError
from gdp.support.downloads.records import DownloadRecord

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FOLDER = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadCollector:
    """Collects the public sets that one plugin registers; an instance is the hook's `register` argument."""

    def __init__(self, package: str, version: str) -> None:
        self.package = package
        self.version = version
        self.records: list[DownloadRecord] = []

    def __call__(
        self,
        name: str,
        *,
        urls: Sequence[str],
        size: int,
        parts: Mapping[str, int],
        summary: str,
        licence: str,
        archive_folder: str = "",
        sha256: str | None = None,
    ) -> None:
        """Register one set; see `gdp.support.downloads.records.RegisterDownload`.

        Raises:
            PluginError: a value that could not work later.
        """
        _check(name, _matches(_NAME, name), "a name is lower-case letters, digits, hyphens and underscores")
        _check(name, _are_addresses(urls), f"urls must be a list of https addresses, got {urls!r}")
        _check(name, _is_positive(size), f"size must be a number of bytes, got {size!r}")
        _check(name, _are_parts(parts), f"parts must map folders to numbers of pictures, got {parts!r}")
        for word, value in (("summary", summary), ("licence", licence)):
            good = isinstance(value, str) and bool(value.strip()) and value.isprintable()
            _check(name, good, f"{word} must be one line of text, got {value!r}")
        _check(name, _matches(_FOLDER, archive_folder), f"archive_folder must be a plain path, got {archive_folder!r}")
        _check(name, sha256 is None or _matches(_SHA256, sha256), f"sha256 must be 64 hexadecimal digits: {sha256!r}")
        _check(name, all(record.name != name for record in self.records), "registered twice by the same package")
        self.records.append(
            DownloadRecord(
                name, summary, tuple(urls), size, dict(parts), archive_folder, licence, sha256,
                self.package, self.version,
            )
        )  # fmt: skip


def _check(name: Any, good: bool, message: str) -> None:
    if not good:
        raise PluginError(f"register({name!r}): {message}")


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_addresses(urls: Any) -> bool:
    if isinstance(urls, str) or not isinstance(urls, Sequence):
        return False
    return bool(urls) and all(isinstance(url, str) and url.startswith("https://") for url in urls)


def _are_parts(parts: Any) -> bool:
    if not isinstance(parts, Mapping) or not parts:
        return False
    return all(_matches(_NAME, str(name).lower()) and _is_positive(count) for name, count in parts.items())
