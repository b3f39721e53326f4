"""Hosted runs of this ComfyUI: sent, followed, fetched; they outlive a lost server and a restart.

What a run is lies in a file beside the key, so that a run that was paid for is fetched even if
ComfyUI was stopped meanwhile.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from . import cloud_account, cloud_calls
from .cloud_account import Account
from .cloud_client import Client, CloudError
from .cloud_files import Kept
from .cloud_run import ENDED, OPEN, Run, payer, progressed
from .photo_files import Refused

FILE = "runs.json"
KEPT = 20  # runs that are listed
PAUSES_S = (1, 2, 4, 8, 15, 30)  # between tries while the server is gone
KEPT_S = 7 * 86_400  # for which a server keeps what a run put out
POLL_S = 2.0  # for place in the queue and what is held; events come by themselves

logger = logging.getLogger("dressform")

Tell = Callable[[str, dict], None]


class Runs:
    """All runs of this ComfyUI, in its own event loop."""

    def __init__(self, tell: Tell):
        self._tell = tell
        self._runs: dict[str, Run] = {}
        self._graphs: dict[str, dict] = {}
        self._tasks: dict[str, asyncio.Task] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._heard: dict[str, str] = {}
        self._told: dict[str, dict] = {}
        self._text = ""
        self._loaded = False

    def list(self) -> list[dict[str, Any]]:
        """Returns all runs, the newest first; those that a restart cut off go on."""
        self._load()
        return [run.view() for run in sorted(self._runs.values(), key=_age, reverse=True)]

    def start(self, account: Account, graph: dict[str, dict], **about: Any) -> Run:
        """Begins a run.

        Args:
            account: Who pays.
            graph: Cleaned workflow in API form.
            about: label, client, titles, gpu_class, and at_most, the credits it may cost.
        """
        self._load()
        classes = {id_: one["class_type"] for id_, one in graph.items()}
        run = Run(
            id=uuid.uuid4().hex, server=account.server, payer=payer(account),
            created_at=time.time(), classes=classes, nodes_total=len(graph), **about,
        )  # fmt: skip
        self._runs[run.id], self._graphs[run.id] = run, graph
        self._go(run)
        return run

    def cancel(self, id_: str) -> None:
        """Asks a run to end."""
        run = self._require(id_)
        if not run.ended:
            run.canceled = True
            self._changed(run)
            self._wake[id_].set()

    def retry(self, id_: str) -> None:
        """Asks the server again at once."""
        self._require(id_)
        if wake := self._wake.get(id_):
            wake.set()

    def forget(self, id_: str) -> None:
        """Takes a run off the list; its files stay."""
        run = self._require(id_)
        if not run.ended and not run.away:
            raise Refused(409, "run-open", "the run must have ended, got one that runs. Cancel it.")
        if task := self._tasks.get(id_):
            task.cancel()
        del self._runs[id_]
        self._save()

    def _require(self, id_: Any) -> Run:
        self._load()
        if not isinstance(id_, str) or id_ not in self._runs:
            raise Refused(404, "no-run", "a run of the list is required, got another.")
        return self._runs[id_]

    # The life of a run

    def _go(self, run: Run) -> None:
        self._wake[run.id] = asyncio.Event()
        self._tasks[run.id] = asyncio.get_running_loop().create_task(self._live(run))
        self._changed(run)

    async def _live(self, run: Run) -> None:
        """Goes from step to step; after trouble that may pass, tries the same step again."""
        tries = 0
        try:
            while not run.ended:
                away = await self._try(run)
                if away and not run.ended:
                    await self._pause(run, away, tries)
                tries = tries + 1 if away else 0
        finally:
            for kept in (self._graphs, self._tasks, self._heard, self._wake, self._told):
                kept.pop(run.id, None)

    async def _try(self, run: Run) -> str:
        """Does one step; returns why it could not be done for now, or nothing."""
        try:
            async with _account(run).client() as client:
                await self._step(client, run)
        except CloudError as error:
            if run.job and error.status == 404 and time.time() > run.created_at + KEPT_S:
                self._failed(run, "job-gone", error.sentence)
            # Another key ends no job: whoever connects with a good one gets its outputs.
            elif run.job and error.status in (401, 403, 404):
                return "not-connected"
            elif error.passes:
                return error.code
            else:
                self._failed(run, error.code, error.sentence)
        except Refused as refusal:
            self._failed(run, refusal.code, refusal.sentence)
        except (OSError, ValueError) as error:
            if run.job:  # it is paid for: room can be made
                logger.warning("The outputs of a hosted run could not be saved: %s", error)
                return "local-files"
            self._failed(run, "local-files", str(error))
        except Exception as error:
            logger.exception("A hosted run could not be followed.")
            self._failed(run, "unexpected", str(error))
        return ""

    async def _step(self, client: Client, run: Run) -> None:
        if not run.job:
            await self._send(client, run)
        elif run.state == "downloading":
            await self._fetch(client, run)
        else:
            await self._follow(client, run)

    async def _send(self, client: Client, run: Run) -> None:
        if run.canceled and not run.sent:
            self._ended(run, "canceled")
            return
        graph = self._graphs.get(run.id)
        if graph is None:  # ComfyUI was stopped before the job was known
            return await self._recall(client, run)
        bound = await cloud_calls.upload(client, graph)
        if run.canceled and not run.sent:
            return  # the next step ends it
        run.state, run.sent = "submitting", True
        self._changed(run)
        told = await cloud_calls.submit(
            client, bound, run.id, most=run.at_most, label=run.label, gpu_class=run.gpu_class
        )
        self._back(run)  # not after the upload: a graph without files has called nobody until here
        run.job = str(told.get("id", ""))
        self._read(run, told)
        self._changed(run)

    async def _recall(self, client: Client, run: Run) -> None:
        found = await cloud_calls.sent(client, run.id) if run.sent else None
        if found is None:
            text = "The run was not sent before ComfyUI stopped. Nothing was charged for it."
            return self._failed(run, "not-sent", text)
        run.job = found
        self._changed(run)

    async def _follow(self, client: Client, run: Run) -> None:
        """Hears events and asks for the rest until the job has ended."""
        hearing = asyncio.ensure_future(self._hear(client, run))
        asked_to_cancel = False
        try:
            while True:
                if run.canceled and not asked_to_cancel:
                    await cloud_calls.cancel(client, run.job)
                    asked_to_cancel = True
                told = await client.call("GET", f"/api/v2/jobs/{run.job}")
                self._back(run)
                self._read(run, told)
                if told.get("status") in ENDED:
                    run.phases = {
                        name.removesuffix("_ms"): ms
                        for name, ms in (told.get("metrics") or {}).items()
                        if isinstance(ms, int)
                    }
                    run.state = "downloading"
                    self._changed(run)
                    return
                self._changed(run)
                self._wake[run.id].clear()
                await self._until(run, POLL_S)
                if hearing.done() and not hearing.cancelled():
                    hearing.exception()  # the next call tells whether the server is gone
                    hearing = asyncio.ensure_future(self._hear(client, run))
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(self, client: Client, run: Run) -> None:
        async for event in client.events(run.job, self._heard.get(run.id, "")):
            self._heard[run.id] = event.seq or self._heard.get(run.id, "")
            if event.kind == "preview":
                if shown := cloud_calls.preview(event.data):
                    self._tell("dressform.cloud.preview", {"run": run.id, **shown})
            elif event.kind == "progress":
                progressed(run, event.data)
                self._changed(run, keep=False)
            elif event.kind == "status":
                self._wake[run.id].set()

    async def _fetch(self, client: Client, run: Run) -> None:
        """Fetches what there is; only then is the run over."""
        told = await client.call("GET", f"/api/v2/jobs/{run.job}")
        self._back(run)
        run.texts = await cloud_calls.texts(client, told)
        have = {one["id"]: Kept(*(one[name] for name in Kept._fields)) for one in run.files}
        have = {id_: one for id_, one in have.items() if one.path.is_file()}
        run.files = [one for one in run.files if one["id"] in have]
        async for output, kept in cloud_calls.fetch(client, told, have):
            about = {"id": str(output["id"]), "node": str(output.get("node_id"))}
            run.files.append({**kept._asdict(), **about})
            self._save()  # what is here is not fetched again, whatever comes
        error = told.get("error")
        if isinstance(error, dict):
            run.error = {"code": str(error.get("code", ""))[:60]}
            run.error["text"] = str(error.get("message") or error.get("detail") or "")[:1000]
        self._ended(run, str(told.get("status")))

    def _read(self, run: Run, told: dict[str, Any]) -> None:
        """Takes over what the server tells of a job; its end is told when all is fetched."""
        state = told.get("status")
        if state in OPEN:
            run.state = str(state)
        run.queue_position, run.eta_s = told.get("queue_position"), told.get("eta_s")
        run.gpu_class = str(told.get("gpu_class") or run.gpu_class)
        progressed(run, told.get("progress") or {})
        if run.state == "queued":  # perhaps again, after an attempt that was lost
            run.done, run.phase = [], ""
        for name, value in cloud_calls.cost_of(told).items():
            setattr(run, name, value)

    def _failed(self, run: Run, code: str, text: str) -> None:
        run.error = {"code": code, "text": text[:1000]}
        self._ended(run, "failed")

    def _ended(self, run: Run, state: str) -> None:
        run.state, run.away, run.node, run.phase = state, "", "", ""
        run.ended_at = time.time()
        if state == "succeeded":
            run.done = list(run.classes)
            run.nodes_done = run.nodes_total
        self._changed(run)

    # A server that is gone, or a full disk

    async def _pause(self, run: Run, away: str, tries: int) -> None:
        run.away = away
        self._changed(run)
        self._wake[run.id].clear()
        await self._until(run, PAUSES_S[min(tries, len(PAUSES_S) - 1)])

    async def _until(self, run: Run, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._wake[run.id].wait()
        except TimeoutError:
            pass

    def _back(self, run: Run) -> None:
        run.away = ""

    # What is told and kept

    def _changed(self, run: Run, *, keep: bool = True) -> None:
        view = run.view()
        if view != self._told.get(run.id):
            self._told[run.id] = view
            # Every page hears it; who knows the id of one hears all that ComfyUI tells that one.
            told = {name: value for name, value in view.items() if name != "client"}
            self._tell("dressform.cloud", told)
        if keep:
            self._save()

    def _save(self) -> None:
        newest = sorted(self._runs.values(), key=_age, reverse=True)
        listed = [one for n, one in enumerate(newest) if n < KEPT or not one.ended]
        self._runs = {one.id: one for one in listed}
        text = json.dumps([asdict(one) for one in listed])
        if text == self._text:
            return
        try:
            cloud_account.write(cloud_account.folder() / FILE, text)
            self._text = text
        except OSError as error:  # the runs themselves go on
            logger.warning("The list of hosted runs could not be written: %s", error)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        try:
            told = json.loads((cloud_account.folder() / FILE).read_text(encoding="utf-8"))
            for one in [Run(**each) for each in told]:
                self._runs[one.id] = one
        except (OSError, ValueError, TypeError):
            return  # another version's: nothing is lost but the list
        for run in [one for one in self._runs.values() if not one.ended]:
            self._go(run)


def _account(run: Run) -> Account:
    """Returns who pays for a run; once there is a job, the server tells whose it is.

    Raises:
        CloudError: somebody else is connected, or nobody.
    """
    account = cloud_account.load()
    if account and account.server == run.server and (run.job or payer(account) == run.payer):
        return account
    raise CloudError("not-connected", f"Connect to {run.server} again.")


def _age(run: Run) -> float:
    return run.created_at
