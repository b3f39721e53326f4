"""Customers' weights from the upload to the run: real server, real worker, a stand-in for ComfyUI.

Once with files in a folder of the server, once in a bucket, which the worker reaches past it.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from dressform.worker import shift as shift_module
from dressform.worker.shift import Shift

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

sys.path.append(str(Path(__file__).parents[1] / "billing_server" / "assets"))
from assets_bucket import serving as serving_bucket

pytestmark = pytest.mark.postgres
CREDIT = 1_000_000
NAME = "style.safetensors"


def weights(value, count=64):
    """A LoRA of so many bytes of one value."""
    keys = ("lora_unet_a.lora_down.weight", "lora_unet_a.lora_up.weight")
    spans = ([0, count], [count, 2 * count])
    head = {
        key: {"dtype": "U8", "shape": [count], "data_offsets": span}
        for key, span in zip(keys, spans, strict=True)
    }
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes([value]) * (2 * count)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(params=["folder", "s3"], scope="module")
def served(request, need, serving, tmp_path_factory):
    """A server, and the bucket if it keeps files in one."""
    folder = tmp_path_factory.mktemp("server")
    with contextlib.ExitStack() as stack:
        environ, bucket = {}, None
        if request.param == "s3":
            for name in ("boto3", "moto"):
                if importlib.util.find_spec(name) is None:
                    need(name, "Run: pip install boto3 'moto[s3,server]'")
            bucket = stack.enter_context(serving_bucket())
            environ = {"ASSET_STORE": bucket.prefix(), "ASSET_STORE_ENDPOINT": bucket.url}
        url, key, parts = stack.enter_context(serving(folder, CREDIT, environ))
        yield SimpleNamespace(url=url, key=key, parts=parts, bucket=bucket)


@pytest.fixture
def town(served, options, monkeypatch):
    """Runs `act(town)` beside the server and a worker; it submits, waits, reads what was made."""
    monkeypatch.setattr(shift_module, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(shift_module, "HEARTBEAT_S", 0.2)

    def play(act, **more):
        told = Town(served)
        more = {"key": served.key, "name": uuid4().hex} | more
        asyncio.run(told.live(Shift(options(served.url, **more)), act))
        assert not served.parts.ledger.verify().problems
        return told

    return play


class Town:
    """One server, one worker, some customers."""

    def __init__(self, served):
        self.parts, self.bucket = served.parts, served.bucket
        self.hosting = served.parts.hosting

    async def live(self, shift, act):
        self.shift = shift
        work = asyncio.ensure_future(shift.work())
        try:
            await self.until(self.workers)
            await act(self)
        finally:
            shift.drain()
            shift.drain()
            async with asyncio.timeout(60):
                await work

    def workers(self):
        import sqlalchemy as sa

        with self.parts.engine.connect() as connection:
            return connection.execute(
                sa.text("SELECT count(*) FROM runs.worker WHERE NOT draining")
            ).scalar_one()

    async def until(self, holds, timeout_s=60):
        async with asyncio.timeout(timeout_s):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.05)

    def customer(self):
        account = self.parts.ledger.open_account(uuid4().hex)
        self.parts.ledger.grant(account, 1000 * CREDIT, "paid", key="g")
        return account

    def bring(self, account, data, name=NAME):
        return self.hosting.weights.upload(account, [data], "loras", name, "cc0-1.0")[0]

    def submit(self, account, name=NAME, **more):
        from dressform.billing_server.runs.values import Caller

        flow = {"1": {"class_type": "Lora", "inputs": {"lora_name": name}}} | more
        caller = Caller(account, "7")
        return self.hosting.runs.submit(caller, flow, key=uuid4().hex)[0].id

    async def run(self, account, name=NAME, **more):
        return await self.end(account, await asyncio.to_thread(self.submit, account, name, **more))

    async def end(self, account, id_):
        await self.until(lambda: self.hosting.runs.get(account, id_).ended)
        return self.hosting.runs.get(account, id_)

    def said(self, id_):
        """Why it was tried again."""
        import sqlalchemy as sa

        sql = sa.text("SELECT data FROM runs.event WHERE run = :run AND kind = 'log'")
        with self.parts.engine.connect() as connection:
            return list(connection.execute(sql, {"run": id_}).scalars())

    def made(self, account, run):
        """The bytes of what a run put out."""
        found = []
        for asset in self.hosting.assets.of_run(account, run.id):
            place = self.hosting.assets.path(asset)
            if isinstance(place, Path):
                found.append(place.read_bytes())
            else:
                import requests

                found.append(requests.get(place, timeout=10).content)
        return found

    def cached(self):
        return sorted(path.stem for path in (self.shift._options.data / "models").iterdir())

    def shown(self):
        return list((self.shift.child.base / "models").rglob("*.safetensors"))


def test_run_loads_the_weights_of_its_account_and_nobody_else_s(town):
    async def act(town):
        mine, theirs = town.customer(), town.customer()
        town.bring(mine, weights(1))
        run = await town.run(mine)
        assert (run.state, run.error, run.attempt) == ("succeeded", None, 1)
        assert town.made(mine, run) == [weights(1)]
        assert town.cached() == [sha256(weights(1))]
        await town.until(lambda: not town.shown())
        with pytest.raises(Exception, match="got loras/style") as caught:
            town.submit(theirs)
        assert caught.value.details["missing_models"] == [f"loras/{NAME}"]
        town.bring(theirs, weights(2))  # the same name, something else
        run = await town.run(theirs)
        assert town.made(theirs, run) == [weights(2)]

    town(act)


def test_name_that_got_other_content_is_not_taken_from_a_cache(town):
    async def act(town):
        mine = town.customer()
        first = town.bring(mine, weights(1))
        assert town.made(mine, await town.run(mine)) == [weights(1)]
        pid = town.shift.child.pid
        town.hosting.weights.delete(mine, first.id)
        town.bring(mine, weights(3))
        assert town.made(mine, await town.run(mine)) == [weights(3)]
        assert town.shift.child.pid == pid  # the very process that had loaded the first

    town(act)


def test_longest_unused_weights_make_room(town):
    size = len(weights(1))

    async def act(town):
        mine = town.customer()
        for value in (1, 2, 3):
            town.bring(mine, weights(value), f"{value}.safetensors")
            run = await town.run(mine, f"{value}.safetensors")
            assert town.made(mine, run) == [weights(value)]
        assert set(town.cached()) == {sha256(weights(2)), sha256(weights(3))}
        run = await town.run(mine, "1.safetensors")
        assert town.made(mine, run) == [weights(1)]

    town(act, cache_bytes=2 * size + 10)


def test_weights_that_were_changed_in_the_store_are_not_loaded(town, monkeypatch):
    """Whoever can write to the store cannot make a worker load it; the run is free."""

    async def act(town):
        mine = town.customer()
        made = town.bring(mine, weights(1))
        with town.hosting.blobs.store.writing() as file:
            file.write(weights(9))
            town.hosting.blobs.store.put(file, made.key)
        run = await town.run(mine)
        assert (run.state, run.error["code"], run.charged) == ("failed", "download", 0)
        assert town.cached() == []
        assert town.parts.ledger.balance(mine)[:2] == (1000 * CREDIT, 0)

    town(act)


@pytest.mark.parametrize("served", ["s3"], indirect=True)  # a folder does not go away
def test_store_that_is_away_for_a_while_costs_nobody_anything(town, served):
    """Gone before the weights come, gone before the outputs leave: one attempt, charged once."""

    async def act(town):
        mine = town.customer()
        town.bring(mine, weights(1))
        town.bucket.stop()
        id_ = town.submit(mine)
        await town.until(lambda: town.hosting.runs.get(mine, id_).state == "running")
        await asyncio.sleep(1.5)
        assert town.hosting.runs.get(mine, id_).state == "running"
        town.bucket.start()
        run = await town.end(mine, id_)
        assert town.said(id_) == []
        assert (run.state, run.attempt, town.made(mine, run)) == ("succeeded", 1, [weights(1)])
        work = {"class_type": "Work", "inputs": {"seconds": 4.0, "text": "t"}}
        town.bring(mine, weights(2), "b.safetensors")
        id_ = town.submit(mine, "b.safetensors", work=work)
        await town.until(lambda: town.hosting.runs.get(mine, id_).gpu_ms > 0)
        town.bucket.stop()
        await asyncio.sleep(5.5)
        town.hosting.due()
        assert town.hosting.runs.get(mine, id_).charged is None
        town.bucket.start()
        run = await town.end(mine, id_)
        assert town.said(id_) == []
        assert (run.state, run.attempt, town.made(mine, run)) == ("succeeded", 1, [weights(2)])
        balance = town.parts.ledger.balance(mine)
        assert balance.held == 0
        charged = [one.charged for one in town.hosting.runs.page(mine)]
        assert balance.available == 1000 * CREDIT - sum(charged)

    town(act)
