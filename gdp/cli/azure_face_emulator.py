"""`gdp azure-face-emulator`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.console.printing import json_output

if TYPE_CHECKING:
    from gdp.testing.azure_face import Settings


class Tier(StrEnum):
    """The tiers of `gdp.testing.azure_face.TIERS`."""

    FREE = "free"
    STANDARD = "standard"
    UNLIMITED = "unlimited"


class JudgeName(StrEnum):
    """Who looks at the pictures."""

    BUILT_IN = "built-in"
    MEASURES = "measures"


def azure_face_emulator(
    host: Annotated[str, typer.Option(help="Address to listen at; the default is seen by this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8765,
    key: Annotated[str, typer.Option(help="The key that requests must carry. Do not use a real one.")] = "emulator",
    tier: Annotated[
        Tier, typer.Option(help="Rate limit: free is 20 calls a minute, standard 10 a second.")
    ] = Tier.STANDARD,
    per_second: Annotated[
        int | None, typer.Option(min=1, help="Calls a second, in place of the tier's.", show_default=False)
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, help="Calls a minute, in place of the tier's.", show_default=False)
    ] = None,
    retry_after: Annotated[bool, typer.Option(help="Whether a 429 has the header Retry-After.")] = True,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds from a request to its answer.")] = 0.0,
    judge: Annotated[
        JudgeName,
        typer.Option(help="measures finds a face of 40 years in every picture and measures only its quality: faster."),
    ] = JudgeName.BUILT_IN,
    limited_access_age: Annotated[
        bool, typer.Option("--limited-access-age", help="The account still has the attribute age.")
    ] = False,
    limited_access_identification: Annotated[
        bool, typer.Option("--limited-access-identification", help="The account may have face ids.")
    ] = False,
    throttle: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests, 0 to 1: 429 although the limit is kept.")
    ] = 0.0,
    server_error: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests, 0 to 1: 500, 502, 503, 504 or 408.")
    ] = 0.0,
    slow: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests, 0 to 1: A right answer after --slow-seconds.")
    ] = 0.0,
    half_answer: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of requests, 0 to 1: The second half of the answer never comes."),
    ] = 0.0,
    garbage: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests, 0 to 1: 200 with a body that means nothing.")
    ] = 0.0,
    drop_before: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of requests, 0 to 1: Connection reset before the picture was judged."
        ),
    ] = 0.0,
    drop_after: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of requests, 0 to 1: Connection reset after the picture was judged."
        ),
    ] = 0.0,
    slow_seconds: Annotated[float, typer.Option(min=0.0, help="Seconds that a slow answer takes.")] = 5.0,
    throttle_seconds: Annotated[int, typer.Option(min=0, help="Seconds that a 429 of a storm tells to wait.")] = 1,
    storm: Annotated[int, typer.Option(min=1, help="Requests in a row that a storm of 429 lasts.")] = 1,
    seed: Annotated[int, typer.Option(help="Which requests go wrong, together with their numbers.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the endpoint and the key as a line of JSON.")] = False,
) -> None:
    """Emulate the Azure Face service on this machine, with the built-in judge, until Ctrl-C.

    For trying recipes with azure-face without an account, and for tests. It knows faces like those of the built-in
    renderer, not photographs. GET /emulator/statistics tells what was asked of it.

    Example: gdp azure-face-emulator --tier free --throttle 0.05 --latency 0.2
    """
    from gdp.testing.azure_face import TIERS, Misbehaviour, RateLimit, Settings

    limit = TIERS[tier.value]
    if per_second is not None or per_minute is not None:
        limit = RateLimit(per_second or limit.per_second, per_minute or limit.per_minute)
    settings = Settings(
        key=key,
        limit=limit,
        retry_after=retry_after,
        latency=latency,
        judge=judge.value,
        limited_access_age=limited_access_age,
        limited_access_identification=limited_access_identification,
        misbehaviour=Misbehaviour(
            throttle=throttle,
            server_error=server_error,
            slow=slow,
            half_answer=half_answer,
            garbage=garbage,
            drop_before=drop_before,
            drop_after=drop_after,
            slow_seconds=slow_seconds,
            throttle_seconds=throttle_seconds,
            storm=storm,
            seed=seed,
        ),
    )
    _serve(settings, host, port, json_)


def _serve(settings: Settings, host: str, port: int, json_: bool) -> None:
    import asyncio

    from gdp.testing.azure_face.emulator import serve_until_signal

    if settings.judge == "built-in":
        import torch

        torch.set_num_threads(1)  # pictures are judged one by one: more threads only get in each other's way

    def ready(endpoint: str) -> None:
        if json_:
            print(json.dumps({"endpoint": endpoint, "key": settings.key}), flush=True, file=json_output())
        else:
            print(_how_to_use(settings, endpoint), flush=True)

    asyncio.run(serve_until_signal(settings, host, port, ready))
    if not json_:
        typer.echo("stopped")


def _how_to_use(settings: Settings, endpoint: str) -> str:
    age = "\nlimited_access_age = true" if settings.limited_access_age else ""
    per_second, per_minute = settings.limit.per_second, settings.limit.per_minute
    limits = [f"{count} calls a {unit}" for count, unit in ((per_second, "second"), (per_minute, "minute")) if count]
    return f"""\
The emulator of Azure Face listens at {endpoint} ({" and ".join(limits) or "no limit"}). Ctrl-C stops it.

In the shell of gdp run:
export AZURE_FACE_KEY={settings.key}

In the recipe:
[[filters]]
plugin = "azure-face"
endpoint = "{endpoint}"{age}
"""
