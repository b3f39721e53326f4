"""A worker's shift: says hello, takes one lease after another, and leaves in good order."""

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..comfyui import lock
from . import calibration, introduction, models, protocol
from .attempt import HEARTBEAT_S, Attempt
from .child import Child
from .protocol import Lease, WorkerError, WorkflowError
from .wire import AwayError, RefusedError, StaleTokenError, Wire

DRAIN_S = 120.0  # for a run to end by itself; half of what service managers usually wait
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # between tries to come to work
# Three of four requests follow one of the same user within so long (GenTD26); later the next
# tenant is the likelier one, and need not wait for a fresh ComfyUI.
IDLE_S = 600.0
ROOM_BYTES = 256 << 20  # of the disk: with less, no run is begun
LAST_LEASE_S = 3.0  # for an answer that was on its way when the worker was told to end
GIB = 1 << 30

logger = logging.getLogger("dressform")
Result = TypeVar("Result")


class Options(NamedTuple):
    """How a worker works.

    Attributes:
        url, key: Of the server; the key has the scope `worker`.
        comfyui: The ComfyUI tree.
        data: The worker's own folder: models, the calibration, the ComfyUI at work.
        packs: Node packs that ComfyUI gets, and no others.
        weights: Folder of the operator's own weights, as in ComfyUI's models.
        name: Under which people know it; the server is told of some digits behind it.
        gpu_class: None takes what the device's name says.
        cache_bytes: For weights of accounts.
        drain_s: For the last run to end by itself.
        arguments: Further arguments of ComfyUI.
        bwrap: Path of bubblewrap, which closes ComfyUI in; None runs it without.
        secrets: Files that ComfyUI must not read: the key's.
    """

    url: str
    key: str
    comfyui: Path
    data: Path
    packs: tuple[Path, ...] = ()
    weights: Path | None = None
    name: str = socket.gethostname()
    gpu_class: str | None = None
    cache_bytes: int = 50 * GIB
    drain_s: float = DRAIN_S
    arguments: tuple[str, ...] = ()
    bwrap: str | None = None
    secrets: tuple[Path, ...] = ()


class Shift:
    """One worker from its start to its end.

    Attributes:
        child: Its ComfyUI.
        ends: How its attempts ended.
    """

    def __init__(
        self,
        options: Options,
        say: Callable[[str], None] = lambda line: None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._options, self._say, self._sleep = options, say, sleep
        self._cache = models.Cache(options.data / "models", options.cache_bytes)
        self.child = new_child(options)
        self._draining = asyncio.Event()
        self._attempt: Attempt | None = None
        self._fenced: Lease | None = None
        self._heartbeat_s = HEARTBEAT_S
        self._idle_since = time.monotonic()
        self._pause_s, self._broken = FIRST_PAUSE_S, False
        self.ends: list[str] = []

    def drain(self) -> None:
        """Takes no more runs; asked a second time, hands back the one that goes on."""
        if self._draining.is_set() and self._attempt:
            self._attempt.hand_back()
        self._draining.set()

    async def work(self) -> None:
        """Works until it is asked to end.

        Raises:
            RuntimeError: the server does not want this worker.
        """
        async with Wire(self._options.url, self._options.key) as wire:
            try:
                await self._come_back(wire)
            finally:
                await self.child.stop()

    async def _come_back(self, wire: Wire) -> None:
        while not self._draining.is_set():
            try:
                await self._or_drain(self._begin(wire))
                if not self._broken:  # else its next ComfyUI may end at the next run too
                    self._pause_s = FIRST_PAUSE_S
                await self._take_leases(wire)
            except (AwayError, WorkerError) as error:
                self._say(f"{error} Trying again in {self._pause_s:.0f} s.")
            except RefusedError as error:
                if not wire.worker:
                    raise RuntimeError(f"{error} Check --server and --key.") from error
                self._say(f"{error} Introducing itself again in {self._pause_s:.0f} s.")
            await self._rest()

    async def _rest(self) -> None:
        """Waits; each time twice as long, until something is well again."""
        await self._or_drain(self._sleep(self._pause_s))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _begin(self, wire: Wire) -> None:
        """Has a ComfyUI before it asks for work: a worker without one would fail every run."""
        await self.child.ready()
        options, device = self._options, introduction.device(self.child.system)
        name = introduction.own_name(options.data, options.name)
        told = calibration.told(options.data, name, options.gpu_class, device)
        body = await asyncio.to_thread(introduction.hello, self.child, self._options.packs, told)
        answer = await wire.hello(body)
        with contextlib.suppress(TypeError, ValueError):
            self._heartbeat_s = min(HEARTBEAT_S, float(answer.get("heartbeat_s", HEARTBEAT_S)))
        await self._report_fenced(wire)
        self._say(f"{told['name']} ({told['gpu_class']}) works for {wire.url} as {wire.worker}.")

    async def _take_leases(self, wire: Wire) -> None:
        """Takes leases until the child is gone, the server is away, or it is time to leave."""
        while self.child.alive and not self._draining.is_set():
            if await asyncio.to_thread(self._is_full):
                self._say(f"{self._options.data} must have {ROOM_BYTES} bytes free. Make room.")
                await self._rest()
                continue
            told = await self._poll(wire)
            if told is None:
                if time.monotonic() - self._idle_since > IDLE_S:
                    await self.child.refresh()
                continue
            try:
                lease = protocol.lease(told)
            except (WorkerError, WorkflowError) as error:
                await self._refuse(wire, told, error)
                continue
            if self._draining.is_set():
                error = WorkerError("drained", "The worker was asked to end.")
                await self._refuse(wire, told, error)
                continue
            attempt = Attempt(lease, wire, self.child, self._cache, heartbeat_s=self._heartbeat_s)
            if await self._run(wire, lease, attempt) == Attempt.FENCED:
                self._fenced = lease
                raise AwayError("the server did not answer for half a lease.")
            self._broken = attempt.broken
            if not self._broken:
                self._pause_s = FIRST_PAUSE_S
            elif self.child.alive:  # what broke this run would break the next: others take it
                await self._rest()
        if self._draining.is_set():
            with contextlib.suppress(AwayError, RefusedError):
                await wire.goodbye()

    async def _poll(self, wire: Wire) -> dict[str, Any] | None:
        resident = self._cache.resident(self.child.resident)
        told = {"resident": resident, "free_vram_bytes": await self.child.free_vram()}
        waiting = asyncio.ensure_future(wire.lease(told))
        died = asyncio.ensure_future(self.child.ended())
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({waiting, died, draining}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done() and not waiting.done():
                # A lease may be on its way: it is better handed back than left to run out.
                with contextlib.suppress(AwayError, RefusedError):
                    await wire.goodbye()
                await asyncio.wait({waiting}, timeout=LAST_LEASE_S)
            return await waiting if waiting.done() else None
        finally:
            for task in (waiting, died, draining):
                task.cancel()

    def _is_full(self) -> bool:
        return shutil.disk_usage(self._options.data).free < ROOM_BYTES

    async def _run(self, wire: Wire, lease: Lease, attempt: Attempt) -> str:
        self._attempt = attempt
        watch = asyncio.ensure_future(self._limit(attempt, wire))
        try:
            end = await attempt.run()
        finally:
            self._attempt, self._idle_since = None, time.monotonic()
            watch.cancel()
        self.ends.append(end)
        self._say(f"run {lease.run}, attempt {lease.attempt}: {end}.")
        return end

    async def _limit(self, attempt: Attempt, wire: Wire) -> None:
        """Hands a run back that has not ended in time after the worker was asked to."""
        await self._draining.wait()
        with contextlib.suppress(AwayError, RefusedError):
            await wire.goodbye()
        await asyncio.sleep(self._options.drain_s)
        attempt.hand_back()

    async def _refuse(self, wire: Wire, told: Any, error: WorkerError | WorkflowError) -> None:
        run, token = (told.get(key) if isinstance(told, dict) else None for key in ("run", "token"))
        if not isinstance(run, str) or not isinstance(token, str):
            raise error
        lease = Lease(run, 0, token, {}, (), (), 0, 1, "")
        await self._tell_failed(wire, lease, error)

    async def _report_fenced(self, wire: Wire) -> None:
        if self._fenced:
            error = WorkerError("fenced", "The worker could not reach the server for half a lease.")
            await self._tell_failed(wire, self._fenced, error)
            self._fenced = None

    async def _tell_failed(
        self, wire: Wire, lease: Lease, error: WorkerError | WorkflowError
    ) -> None:
        told = {"fault": error.fault, "code": error.code, "message": str(error), "node": error.node}
        phases = dict.fromkeys(protocol.PHASES, 0)
        with contextlib.suppress(StaleTokenError, RefusedError):
            await wire.fail(lease, {"gpu_ms": 0, "phases": phases, **told})

    async def _or_drain(self, work: Awaitable[Result]) -> None:
        """Waits for something, but no longer than until the worker is asked to end."""
        task = asyncio.ensure_future(work)
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({task, draining}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
        finally:
            task.cancel()
            draining.cancel()


def new_child(options: Options) -> Child:
    """Returns the ComfyUI of a worker, not yet started."""
    return Child(
        options.comfyui,
        options.data,
        packs=options.packs,
        weights=models.local(options.weights),
        arguments=options.arguments,
        bwrap=options.bwrap,
        secrets=options.secrets,
    )


@contextlib.contextmanager
def owned(data: Path):
    """Holds a worker's folder for one worker.

    Raises:
        RuntimeError: another has it.
    """

    def refuse() -> None:
        raise RuntimeError(
            f"one worker owns {data}, got a second one. End the first, or name another --data."
        )

    data.mkdir(parents=True, exist_ok=True)
    with lock.held(data / "lock", refuse):
        yield


@contextlib.asynccontextmanager
async def told_by_signals(shift: Shift) -> AsyncIterator[None]:
    """Lets SIGTERM and Ctrl-C drain a worker."""
    loop = asyncio.get_running_loop()
    before = {}
    for name in (signal.SIGTERM, signal.SIGINT):
        before[name] = signal.signal(name, lambda *_: loop.call_soon_threadsafe(shift.drain))
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def run(options: Options, say: Callable[[str], None]) -> None:
    """Works until SIGTERM."""

    async def main() -> None:
        shift = Shift(options, say)
        async with told_by_signals(shift):
            await shift.work()

    with owned(options.data):
        asyncio.run(main())
