"""An emulator of the Azure Face service: a real HTTP server for tests, and for trying recipes without an account.

It answers `POST /face/v1.2/detect` (and v1.0) as the service does: the key, the query's models and attributes, the
sizes and formats of pictures, the retired attributes, the rate limits, and the bodies of its errors. It can be told to
misbehave. The built-in judge looks at the pictures, so it knows faces like those of the built-in renderer, not
photographs.

What it does not model: it finds one face at most, the whole picture being its place (a square of 0.72 of the shorter
side, in the middle); head poses are always 0 degrees; masks and occlusions are never seen; accessories are glasses or
none; landmarks stand at fixed places of the face's square; pictures are sent as bytes, never fetched from a URL.

`Emulator` runs in a thread of this process, `EmulatorProcess` (and the command `gdp azure-face-emulator`) in one of
its own. Needs the extra `emulator`. Importing this package imports neither aiohttp nor torch.

Source: "Face Detection Operations - Detect" and "Azure AI Face API error codes" of Microsoft's reference, API v1.2.
"""

from __future__ import annotations

from gdp.testing.azure_face.emulator import Emulator, EmulatorProcess
from gdp.testing.azure_face.settings import TIERS, Misbehaviour, RateLimit, Settings

__all__ = ["TIERS", "Emulator", "EmulatorProcess", "Misbehaviour", "RateLimit", "Settings"]
