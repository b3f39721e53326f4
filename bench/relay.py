"""A cable that can be cut: `relay.py PORT HOST PORT` passes bytes both ways, until SIGUSR1.

Then nothing passes and nobody is told: connections stay open, bytes vanish, new ones are taken and
not answered, as behind a firewall that drops. SIGUSR2 mends it; what was cut stays dead.
"""

import asyncio
import contextlib
import signal
import sys
from typing import cast

CHUNK_BYTES = 1 << 16


class Relay:
    """Passes connections on to one address."""

    def __init__(self, host: str, port: int):
        self._to, self._cut, self._dead = (host, port), False, set()
        self._open: set[asyncio.Task] = set()

    def cut(self) -> None:
        """Lets all that is open go dead."""
        self._cut, self._dead = True, set(self._open)

    def mend(self) -> None:
        """Lets new connections pass."""
        self._cut = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        task = cast("asyncio.Task", asyncio.current_task())
        self._open.add(task)
        if self._cut:
            self._dead.add(task)
        with contextlib.suppress(OSError):
            while task in self._dead and await reader.read(CHUNK_BYTES):
                pass
            if task not in self._dead:
                there, other = await asyncio.open_connection(*self._to)
                ends = self._pass(reader, other, task), self._pass(there, writer, task)
                await asyncio.gather(*ends, return_exceptions=True)
                other.close()
        writer.close()
        self._open.discard(task)
        self._dead.discard(task)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task
    ) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                if task not in self._dead:
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()


async def main(listen: int, host: str, port: int) -> None:
    """Serves until it is killed."""
    relay, loop = Relay(host, port), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, relay.cut)
    loop.add_signal_handler(signal.SIGUSR2, relay.mend)
    server = await asyncio.start_server(relay.take, "127.0.0.1", listen)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
