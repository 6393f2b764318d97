"""Sending a parcel to the Hugging Face Hub, and saying in one sentence what the hub refuses. Imports no torch.

Publishing a trained student: gather its files, check them, send them.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, ServiceError, UsageError
from gdp.core.records import Needs
from gdp.tools.publish import HUB_VARIABLE
from gdp.tools.publish.leaks import find_leaks, secrets_of
from gdp.tools.publish.parcel import Parcel, gather

NEEDS = Needs(modules=("huggingface_hub",), install="gdp-distill[hub]")


@dataclass(frozen=True)
class Target:
    """Where a parcel goes."""

    repository: str
    """OWNER/NAME."""
    private: bool
    """Whether nobody else may see it."""
    token: str = field(repr=False)
    """With write access; never shown."""
    endpoint: str | None = None
    """Address of the hub; None for what huggingface_hub takes, $HF_ENDPOINT or the public one."""


@dataclass(frozen=True)
class Pushed:
    """What came of it."""

    url: str
    """Of the repository."""
    commit: str
    """40 hexadecimal digits."""


def require_hub() -> None:
    """Refuse to begin where the package is lacking.

    Raises:
        MissingResourceError: it is not installed; the message has the command.
    """
    for module in NEEDS.missing_modules():
        raise MissingResourceError(
            f"gdp push needs the Python module {module}, which is not installed. Install it with: "
            f"{NEEDS.how_to_install(module)}"
        )


def send(parcel: Parcel, target: Target, message: str) -> Pushed:
    """Make the repository if it is not there, and send everything in one commit.

    Raises:
        MissingResourceError: huggingface_hub is not installed.
        CorruptFileError: the hub does not take the card's header.
        ServiceError: the hub refuses or cannot be reached; nothing was committed then.
    """
    require_hub()
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    hub = HfApi(endpoint=target.endpoint, token=target.token, library_name="gdp")
    with _readable_errors(target):
        address = hub.create_repo(target.repository, private=target.private or None, exist_ok=True)
        if target.private and not hub.model_info(target.repository).private:
            raise ServiceError(
                f"{target.repository}: this repository is there already and is public, and a private one is asked for. "
                f"Make it private in its settings, choose another name, or leave --private out. Nothing was sent."
            )
        operations = [CommitOperationAdd(part.name, part.content) for part in parcel.parts]
        made = hub.create_commit(target.repository, operations, commit_message=message)
    return Pushed(str(address), made.oid)


@contextmanager
def _readable_errors(target: Target) -> Iterator[None]:
    """Say what went wrong in a sentence of ours; the token never stands in it, nor does what the hub says at length."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # huggingface_hub's own, and the hub's remarks on the card's header
            yield
    except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
        # Uploads run in threads of huggingface_hub, which wraps their errors.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        if isinstance(cause, HfHubHTTPError):
            raise ServiceError(_refusal(cause.response.status_code, target)) from None
        if isinstance(cause, ValueError) and "metadata" in str(cause):
            raise CorruptFileError(
                f"the hub does not take the header of the model card: {_clean(cause, target)}. Nothing was sent."
            ) from None
        if isinstance(cause, (httpx2.HTTPError, OSError)):
            raise ServiceError(
                f"{target.repository}: the hub cannot be reached ({_clean(cause, target)}). Check the network and "
                f"$HF_ENDPOINT, and run the same command again; nothing was committed."
            ) from None
        raise ServiceError(
            f"{target.repository}: the exchange with the hub went wrong ({_clean(cause, target)}). Nothing was "
            f"committed; update huggingface_hub, and run the same command again."
        ) from None


def _refusal(status: int, target: Target) -> str:
    reasons = {
        401: "the hub does not know this token. Make one with write access at https://huggingface.co/settings/tokens",
        402: "the hub asks for payment for this. See the account's billing page",
        403: f"this token may not write there. Give it write access to {target.repository.partition('/')[0]}, or name "
        f"a repository of your own",
        404: "the hub has no such user, organisation or repository. Mend OWNER/NAME",
        409: "somebody else is changing this repository, or a name like it is taken. Run the same command again",
        412: "somebody else has changed this repository meanwhile. Run the same command again",
        413: "the hub says that this is too large",
        429: "the hub asks for patience: too many requests. Run the same command again in a while",
    }
    fallback = (
        "the hub itself has trouble. Run the same command again in a while" if status >= 500 else "the hub refuses"
    )
    return f"{target.repository}: {reasons.get(status, fallback)} (status {status}). Nothing was committed."


def _clean(error: BaseException, target: Target) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(target.token, "***").rstrip(".")


_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_SHOWN_LEAKS = 5


@dataclass(frozen=True)
class Request:
    """What the user asks for."""

    folder: Path
    """Of the trained student."""
    repository: str
    """OWNER/NAME."""
    private: bool = False
    engines: Sequence[str] = ()
    """Whose exported files go along."""
    licence: str | None = None
    """For the card's header; None leaves the card's own."""
    token_variable: str = HUB_VARIABLE
    """Name of the environment variable that holds the token."""
    message: str = "Upload of a student distilled by gdp"
    """Of the commit."""
    samples: bool = False
    """Whether the picture of what the student makes goes along."""
    base_model: str | None = None
    """OWNER/NAME of the hub's model that the student was made from; None leaves the card's own."""
    key_variables: Iterable[str] = ()
    """Environment variables that hold keys of other services; their values must not be published."""


def prepare(request: Request) -> Parcel:
    """Gather what is to be sent and check it; the network is not used.

    Raises:
        MissingResourceError, CorruptFileError: something is lacking or damaged.
        GdpError: the name of the repository is none, or a file holds a path of this machine or a secret.
    """
    if not _REPOSITORY.fullmatch(request.repository) or "--" in request.repository or ".." in request.repository:
        raise UsageError(
            f"{request.repository!r} names no repository: give OWNER/NAME, of letters, digits, hyphens, dots and "
            f"underscores, such as ada/my-student"
        )
    parcel = gather(
        request.folder, request.engines, request.licence, samples=request.samples, base_model=request.base_model
    )
    secrets = secrets_of(os.environ, {request.token_variable, HUB_VARIABLE, *request.key_variables})
    leaks = [leak for part in parcel.parts for leak in find_leaks(part.name, part.content, secrets)]
    if leaks:
        told = "; ".join(leak.describe() for leak in leaks[:_SHOWN_LEAKS])
        more = f"; and {len(leaks) - _SHOWN_LEAKS} more" if len(leaks) > _SHOWN_LEAKS else ""
        raise GdpError(
            f"{request.folder}: this must not be published: {told}{more}. Run the recipe again where gdp has become "
            f"newer since (it writes the card anew), export again what gdp export wrote, or take it out by hand. "
            f"Nothing was sent."
        )
    return parcel


def read_token(variable: str) -> str:
    """Return the token that an environment variable holds.

    Raises:
        MissingResourceError: there is none, or it cannot be one; the message does not show it.
    """
    token = os.environ.get(variable, "").strip()
    if not token:
        raise MissingResourceError(
            f"${variable} holds no token. Make one with write access at https://huggingface.co/settings/tokens, set "
            f"the variable to it, or name another variable with --token-from"
        )
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise MissingResourceError(f"${variable}: this is no token: it has blanks or signs that no token has")
    return token


def push(request: Request, tell: Callable[[str], None], endpoint: str | None = None) -> tuple[Parcel, Pushed]:
    """Publish a trained student in one commit; the repository is made if it is not there.

    Args:
        request: what to publish, and where.
        tell: is told, in a line, what takes a while.
        endpoint: address of the hub; None for huggingface_hub's own choice.

    Raises:
        MissingResourceError: the package, the token, the card or an export is lacking.
        CorruptFileError: a file is damaged.
        ServiceError: the hub refuses or cannot be reached.
        GdpError: see `prepare`.
    """
    parcel = prepare(request)
    require_hub()
    target = Target(request.repository, request.private, read_token(request.token_variable), endpoint)
    size = sum(len(part.content) for part in parcel.parts)
    tell(f"sending {len(parcel.parts)} files, {size / 1e6:.1f} MB, to {request.repository}")
    return parcel, send(parcel, target, request.message)
