"""How a picture becomes, shown while it is made: at most one a second, and none that is missed."""

import asyncio
import contextlib
import io
import time

from PIL import Image

from .protocol import Lease
from .wire import AwayError, RefusedError, StaleTokenError, Wire

PERIOD_S = 1.0
MAX_BYTES = 128 << 10  # that the server takes
TIMEOUT_S = 5.0
SIDE_PX = 512
QUALITY = 75  # of JPEG: some 40 KB
JPEG = b"\xff\xd8\xff"


class Previews:
    """The previews of one attempt: the newest is sent, when the one before has been."""

    def __init__(self, wire: Wire, lease: Lease):
        self._wire, self._lease = wire, lease
        self._next_at = 0.0
        self._sending: asyncio.Future[None] | None = None

    def take(self, node: str, data: bytes) -> None:
        """Sends a picture, unless another was sent just now."""
        busy = self._sending is not None and not self._sending.done()
        if not busy and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + PERIOD_S
            self._sending = asyncio.ensure_future(self._send(node, data))

    async def close(self) -> None:
        """Sends no more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self, node: str, data: bytes) -> None:
        # Nobody misses a preview; whether the attempt goes on is the heartbeats' business.
        with contextlib.suppress(AwayError, RefusedError, StaleTokenError, OSError, ValueError):
            told = await asyncio.to_thread(fitted, data)
            await self._wire.preview(self._lease, node, told, TIMEOUT_S)


def fitted(data: bytes) -> bytes:
    """Returns a picture as a JPEG that the server takes.

    Raises:
        OSError, ValueError: it is no picture.
    """
    if data.startswith(JPEG) and len(data) <= MAX_BYTES:
        return data
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
        picture.draft("RGB", (SIDE_PX, SIDE_PX))
        small = picture.convert("RGB")
        small.thumbnail((SIDE_PX, SIDE_PX))
    made = io.BytesIO()
    small.save(made, "JPEG", quality=QUALITY)
    return made.getvalue()
