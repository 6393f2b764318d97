"""Download one archive with patience: tries again after a while, goes on where it broke off, asks the next server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.downloads.addresses import show_address
from gdp.support.downloads.transfer import Transfer, TransientError, new_client, transfer_once


@dataclass(frozen=True)
class Patience:
    """How long a server that fails is asked again."""

    attempts: int = 5
    """Tries in a row that bring nothing before a server is given up."""
    first_wait: float = 1.0
    """Seconds before the second try; doubled for each further one."""
    longest_wait: float = 30.0
    """Seconds."""


def download(urls: Sequence[str], job: Transfer, patience: Patience) -> str:
    """Download the file of a job from the first server that gives it.

    Args:
        urls: addresses of the same file, in the order in which they are tried.

    Returns:
        The address that it came from, as it may be shown.

    Raises:
        MissingResourceError, CorruptFileError: no server gives it; the message has every server's reason.
        DiskFullError, RunFolderError: the disk refuses.
    """
    failures: list[MissingResourceError | CorruptFileError] = []
    reasons: list[str] = []
    for url in urls:
        try:
            _persist(url, job, patience)
            return show_address(url)
        except (MissingResourceError, CorruptFileError) as error:
            failures.append(error)
            reason = str(error).rstrip(".")
            reasons.append(reason if show_address(url) in reason else f"{show_address(url)}: {reason}")
    kind = CorruptFileError if all(isinstance(error, CorruptFileError) for error in failures) else MissingResourceError
    archive = job.part.path.with_suffix("")
    advice = (
        job.advice or f"name another server with --mirror or $GDP_MIRROR, or put the archive here yourself: {archive}"
    )
    kept = (
        "What came so far is kept: run the same command again to go on" if job.part.received else "Run it again later"
    )
    raise kind(f"{job.name} could not be downloaded. {'; '.join(reasons)}. {kept}, {advice}") from failures[-1]


def _persist(url: str, job: Transfer, patience: Patience) -> None:
    """Try until the file is there; only tries in a row that bring nothing use up the patience."""
    backoff = wait_exponential_jitter(
        multiplier=patience.first_wait, max=patience.longest_wait, jitter=patience.first_wait / 2
    )

    def wait(state: RetryCallState) -> float:
        return max(backoff(state), min(_reason(state).retry_after, patience.longest_wait))

    def tell(state: RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0.0
        job.progress.message(f"{job.name}: {_reason(state)}; next try in {seconds:.0f} s")

    retrying = Retrying(
        stop=stop_after_attempt(patience.attempts),
        wait=wait,
        retry=retry_if_exception_type(TransientError),
        before_sleep=tell,
        reraise=True,
    )
    with new_client(url) as client:
        while True:
            before = job.part.received
            try:
                return retrying(transfer_once, client, url, job)
            except TransientError as error:
                if job.part.received <= before:
                    raise MissingResourceError(f"{error} ({patience.attempts} tries)") from error


def _reason(state: RetryCallState) -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TransientError) else TransientError("no answer")
