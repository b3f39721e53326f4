"""One attempt of one run, from the lease to its end, with a heartbeat beside it."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..comfyui.client import Client, Event, Execution
from . import blame, inputs, models, outputs, screen, texts
from .child import Child, empty
from .meter import Meter, loaders
from .previews import Previews
from .protocol import Lease, WorkerError, WorkflowError
from .wire import AwayError, RefusedError, StaleTokenError, Wire, persistently

HEARTBEAT_S = 5.0
RETRY_S = 1.0  # after a heartbeat that was not answered
SOONEST_S = 0.25  # between two heartbeats, however little is left of the hold
BOUNDARY_S = 60.0  # until a step ends that was asked to; then the child is killed
REPORT_S = 10.0  # for the last word of an attempt that was handed back
MAX_MESSAGE = 2000
# A run that lasts is told of a command at once; a short one is spared the call.
LISTEN_AFTER_S = 0.5
FETCH_S = 120.0  # for which files are asked for, while the server or its store is away
UPLOAD_S = 600.0  # for which they are sent: longer, since the GPU's work is lost with them


class FencedError(Exception):
    """The server has not answered for half a lease: it may have given the run to another."""


class Attempt:
    """Runs one lease. Its end is one of COMPLETED, FAILED, STALE, FENCED, HANDED_BACK.

    Attributes:
        broken: Whether it failed by this machine, which may fail the next one too.
    """

    COMPLETED, FAILED, STALE, FENCED, HANDED_BACK = (
        "completed",
        "failed",
        "stale",
        "fenced",
        "handed back",
    )

    def __init__(
        self,
        lease: Lease,
        wire: Wire,
        child: Child,
        cache: models.Cache,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._lease, self._wire, self._child, self._cache = lease, wire, child, cache
        self._heartbeat_s, self._clock = heartbeat_s, clock
        self._meter = Meter(clock)
        self._max_gpu_ms = lease.max_gpu_ms
        self._fence_at = clock() + lease.lease_s / 2
        self._progress: dict[str, tuple[float, float]] = {}
        self._prompt_id = self._node = ""
        self._command = "go"
        self._ending = asyncio.Event()
        self._urgent = asyncio.Event()  # the next heartbeat does not wait
        self._previews = Previews(wire, lease)
        self.broken = False
        self._handed_back = asyncio.Event()
        self._loading: frozenset[str] = frozenset()

    def hand_back(self) -> None:
        """Ends the attempt as this machine's fault, so that another goes on at once."""
        self._handed_back.set()

    async def run(self) -> str:
        """Runs the attempt to its end; afterwards nothing of it is left on this machine."""
        beat = asyncio.ensure_future(self._beat())
        listen = asyncio.ensure_future(self._listen())
        work = asyncio.ensure_future(self._work())
        back = asyncio.ensure_future(self._handed_back.wait())
        end = None
        try:
            await asyncio.wait({beat, work, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, beat):
                if task.done():
                    end = task.result()
                    return end
            self._child.kill()
            await _cancelled(work)
            await self._report_drained()
            return self.HANDED_BACK
        except StaleTokenError:
            return self.STALE
        except FencedError:
            return self.FENCED
        finally:
            if end is None:
                self._child.kill()
            await _cancelled(beat, listen, work, back)
            await self._previews.close()
            self._child.lease(None)
            await self._child.wipe()

    async def _beat(self) -> str:
        """Sends heartbeats until it is cancelled, or there is no use in them."""
        pause_s = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._urgent.wait()
            self._urgent.clear()
            sent_at = self._clock()
            left_s = self._fence_at - sent_at
            if left_s <= 0:
                raise FencedError
            self._child.lease(left_s)
            told = await self._state()
            try:
                answer = await self._wire.heartbeat(self._lease, told, left_s)
            except (AwayError, WorkerError):
                left_s = max(0.0, self._fence_at - self._clock())
                pause_s = min(RETRY_S, self._heartbeat_s, left_s)
                continue
            except RefusedError as error:
                raise StaleTokenError(str(error)) from error
            self._fence_at = sent_at + answer.lease_s / 2
            self._max_gpu_ms = answer.max_gpu_ms
            self._child.lease(self._fence_at - self._clock())
            if answer.command != "go":
                self._end(answer.command)
            elif told["gpu_ms"] >= self._max_gpu_ms:
                self._end("stop")
            pause_s = self._pause_s()

    async def _listen(self) -> None:
        """Waits for a command, which is said sooner than a heartbeat could hear of it."""
        await asyncio.sleep(LISTEN_AFTER_S)
        while not self._ending.is_set():
            try:
                command = await self._wire.command(self._lease)
            except (AwayError, WorkerError):
                await asyncio.sleep(RETRY_S)
            except RefusedError:
                return  # a server that does not know the call
            except StaleTokenError:
                self._urgent.set()
                return
            else:
                if command != "go":
                    self._end(command)

    def _pause_s(self) -> float:
        if self._meter.phase != "executing" or self._ending.is_set():
            return self._heartbeat_s
        paid_s = (self._max_gpu_ms - self._meter.gpu_ms) / 1000
        return min(self._heartbeat_s, max(SOONEST_S, paid_s))

    def _end(self, command: str) -> None:
        if not self._ending.is_set():
            self._command = command
            self._ending.set()

    async def _state(self) -> dict[str, Any]:
        phases = self._meter.phases()
        return {
            "gpu_ms": phases["executing"],
            "phase": self._meter.phase,
            "phases": phases,
            "progress": [{"node": n, "value": v, "max": m} for n, (v, m) in self._progress.items()],
            "free_vram_bytes": await self._child.free_vram() if self._child.alive else 0,
            "resident": self._cache.resident(self._child.resident),
        }

    async def _work(self) -> str:
        """Runs the workflow and tells the server how it ended."""
        try:
            history = await self._execute()
            self._meter.enter("uploading")
            files = await asyncio.to_thread(outputs.gather, history, self._child.base)
            told: dict[str, Any] = {"outputs": [await self._upload(file) for file in files]}
            most = outputs.MAX_FILES - len(files)
            told["outputs"] += texts.gather(history, self._showing(), most)
            told |= self._counted()
            await persistently(lambda: self._wire.complete(self._lease, told))
            return self.COMPLETED
        except (StaleTokenError, asyncio.CancelledError):
            raise
        except Exception as error:  # the edge: whatever went wrong, the server hears of it
            if self._clock() >= self._fence_at:  # the child may have fenced itself first
                raise FencedError from error
            failure = blame.failure(error)
            self.broken = failure.fault == WorkerError.fault
            with contextlib.suppress(RefusedError):
                await self._fail(failure)
                return self.FAILED
        return self.STALE

    async def _fail(self, error: WorkflowError | WorkerError) -> None:
        message = str(error).replace(str(self._child.base), "").strip()[:MAX_MESSAGE]
        told = {"fault": error.fault, "code": error.code, "message": message, "node": error.node}
        told |= self._counted()
        await persistently(lambda: self._wire.fail(self._lease, told))

    def _counted(self) -> dict[str, Any]:
        return {"gpu_ms": self._meter.gpu_ms, "phases": self._meter.phases()}

    async def _report_drained(self) -> None:
        drained = WorkerError("drained", "The worker was asked to end.")
        with contextlib.suppress(TimeoutError, RefusedError, StaleTokenError):
            async with asyncio.timeout(REPORT_S):
                await self._fail(drained)

    async def _execute(self) -> dict[str, Any]:
        """Runs the workflow; returns the history of what it did until it ended or was stopped."""
        provide = asyncio.ensure_future(self._provide())
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({provide, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not provide.done():
                return {}
            prompt = provide.result()
            history = await self._follow(prompt, ending)
        finally:
            await _cancelled(provide, ending)
        if self._command == "cancel":
            return {}
        blame.require_success(history, is_ending=self._ending.is_set())
        return history

    async def _provide(self) -> dict[str, dict[str, Any]]:
        """Gets ready what the run needs; returns the prompt."""
        lease, child = self._lease, self._child
        await child.ready(lease.tenant)
        child.lease(max(0.0, self._fence_at - self._clock()))
        names = {one.name for one in lease.inputs}
        weights = {one.name for one in lease.models}
        prompt = screen.prepare(
            lease.workflow, child.schemas, names, weights=weights, again=child.runs > 0
        )
        child.runs += 1

        async def fetch(url: str, take: Callable[[bytes], object], most_bytes: int) -> None:
            await self._wire.download(lease, url, take, most_bytes)

        async def bring() -> dict[str, Path]:
            folder = child.base / "input"
            await asyncio.to_thread(empty, folder)  # half a file of the try before
            await inputs.bring(lease.inputs, folder, fetch)
            return await self._cache.bring(lease.models, fetch)

        found = await persistently(bring, FETCH_S)
        child.show({(one.folder, one.name): found[one.sha256] for one in lease.models})
        self._loading = loaders(child.schemas)
        known = {one.name: f"{one.folder}/{one.name}" for one in child.weights}
        known |= {one.name: one.sha256 for one in lease.models}
        child.resident = screen.resident(lease.workflow, known)
        return prompt

    async def _follow(
        self, prompt: dict[str, dict[str, Any]], ending: asyncio.Future[Any]
    ) -> dict[str, Any]:
        """Runs the prompt to its end, to a step boundary where it shall end, or to the child's."""
        queued = asyncio.Event()

        def on_queued(prompt_id: str) -> None:
            self._prompt_id = prompt_id
            queued.set()

        def on_event(event: Event) -> None:
            self._take(event, prompt)

        async with Client(self._child.url) as client:
            run = asyncio.ensure_future(client.conclude(prompt, on_event, on_queued=on_queued))
            died = asyncio.ensure_future(self._child.ended())
            try:
                await asyncio.wait({run, died, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not run.done() and not died.done():
                    await self._interrupt(client, queued, run, died)
                self._meter.enter("uploading")
                if run.done():
                    return _history(run)
                if died.done():
                    raise WorkerError("comfyui_ended", "ComfyUI ended while it ran the workflow.")
                self._child.kill()
                return {}
            finally:
                await _cancelled(run, died)

    async def _interrupt(
        self,
        client: Client,
        queued: asyncio.Event,
        run: asyncio.Future[Any],
        died: asyncio.Future[Any],
    ) -> None:
        waiting = asyncio.ensure_future(queued.wait())
        ends = {run, died}
        try:
            # One that cannot be asked, or does not end, is killed by whoever called.
            with contextlib.suppress(TimeoutError, RuntimeError):
                async with asyncio.timeout(BOUNDARY_S):
                    await asyncio.wait({*ends, waiting}, return_when=asyncio.FIRST_COMPLETED)
                    if not run.done() and not died.done():
                        await client.interrupt(self._prompt_id)
                        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(waiting)

    def _take(self, event: Event, prompt: dict[str, dict[str, Any]]) -> None:
        if event.kind == "preview":
            self._previews.take(self._node, event.data)
        elif event.kind == "node":
            if self._node:  # what comes next says that it is done
                self._progress[self._node] = (1.0, 1.0)
            self._node = event.node
            kind = prompt.get(event.node, {}).get("class_type", "")
            self._meter.node(kind, self._loading)
            self._progress[event.node] = (0.0, 1.0)
        elif event.kind == "progress":
            self._progress[event.node] = (event.value, max(event.maximum, 1.0))
        else:
            self._progress[event.node] = (1.0, 1.0)

    def _showing(self) -> set[str]:
        schemas, graph = self._child.schemas, self._lease.workflow
        kinds = {node: str(told.get("class_type")) for node, told in graph.items()}
        return {n for n, kind in kinds.items() if schemas.get(kind, {}).get("output_node")}

    async def _upload(self, file: outputs.File) -> dict[str, str]:
        digest = await asyncio.to_thread(outputs.digest, file)
        send = partial(self._wire.upload, self._lease, digest, file)
        answer = await persistently(send, UPLOAD_S)
        return {**file.told, "asset": answer["asset"]}


def _history(run: asyncio.Future[Execution]) -> dict[str, Any]:
    try:
        return run.result().history
    except ValueError as error:  # ComfyUI takes the workflow for wrong
        raise WorkflowError("refused", str(error)) from error
    except RuntimeError as error:
        raise WorkerError("comfyui_ended", str(error)) from error


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
