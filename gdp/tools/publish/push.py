"""Publishing a trained student: gather its files, check them, send them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import GdpError, MissingResourceError
from gdp.tools.publish import HUB_VARIABLE
from gdp.tools.publish.hub import Pushed, Target, require_hub, send
from gdp.tools.publish.leaks import find_leaks, secrets_of
from gdp.tools.publish.parcel import Parcel, gather

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
    key_variables: Iterable[str] = ()
    """Environment variables that hold keys of other services; their values must not be published."""


def prepare(request: Request) -> Parcel:
    """Gather what is to be sent and check it; the network is not used.

    Raises:
        MissingResourceError, CorruptFileError: something is lacking or damaged.
        GdpError: the name of the repository is none, or a file holds a path of this machine or a secret.
    """
    if not _REPOSITORY.fullmatch(request.repository) or "--" in request.repository or ".." in request.repository:
        raise GdpError(
            f"{request.repository!r} names no repository: give OWNER/NAME, of letters, digits, hyphens, dots and "
            f"underscores, such as ada/stylegan-age"
        )
    parcel = gather(request.folder, request.engines, request.licence)
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
