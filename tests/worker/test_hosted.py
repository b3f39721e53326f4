"""The real server, the real worker, the real ComfyUI: from a customer's credits to his picture."""

import asyncio
import io
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from dressform.comfyui import session
from dressform.worker import shift as shift_module
from dressform.worker.shift import Options, Shift
from PIL import Image

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

pytestmark = [pytest.mark.comfyui, pytest.mark.postgres]

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "samples" / "dressform" / "photo.jpg"
CREDIT = 1_000_000
RATE = 250_000  # micro-credits for a second
GRANTED = 1000 * CREDIT


def node(class_type, /, **given):
    return {"class_type": class_type, "inputs": given}


def slow(first):
    """A workflow of forty steps, of a tenth of a second or so each."""
    blurs = {
        str(n): node("ImageBlur", image=[str(n - 1), 0], blur_radius=15, sigma=1 + n / 100)
        for n in range(1, 40)
    }
    begin = {"0": node("EmptyImage", width=256, height=256, batch_size=1, color=first)}
    return {**begin, **blurs, "end": node("SaveImage", images=["39", 0], filename_prefix="end")}


FAILING = {
    "1": node("EmptyImage", width=64, height=64, batch_size=1, color=1),
    "2": node("ImageCrop", image=["1", 0], width=8, height=8, x=0, y=0),
    "3": node("ImageFromBatch", image=["2", 0], batch_index=0, length=1),
    "4": node("ImageBatch", image1=["3", 0], image2=["3", 0]),
    "5": node("MaskToImage", mask=["6", 0]),
    "6": node("ImageToMask", image=["4", 0], channel="nothing"),
    "7": node("SaveImage", images=["5", 0], filename_prefix="a"),
}


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def day(comfyui_folder, tmp_path_factory, module_patch, serving):
    """What became of four runs of one customer."""
    seen = SimpleNamespace()
    module_patch.setattr(shift_module, "HEARTBEAT_S", 0.5)
    with serving(tmp_path_factory.mktemp("server"), RATE) as (url, secret, parts):
        told = {"comfyui": comfyui_folder, "packs": (session.PACK,)}
        told["data"] = tmp_path_factory.mktemp("worker")
        asyncio.run(work(Shift(Options(url=url, key=secret, **told)), parts, seen))
        seen.verified = parts.ledger.verify().problems
    return seen


async def work(shift, parts, seen):
    from dressform.billing_server.runs.values import Caller

    hosting = parts.hosting
    account = parts.ledger.open_account("customer")
    parts.ledger.grant(account, GRANTED, "paid", key="g")

    async def until(holds, timeout_s=300):
        async with asyncio.timeout(timeout_s):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.1)

    def get(id_):
        return hosting.runs.get(account, id_)

    def submit(graph, key):
        return hosting.runs.submit(Caller(account, "7"), graph, key=key)[0].id

    async def ended(id_):
        await until(lambda: get(id_).ended)
        return get(id_)

    working = asyncio.ensure_future(shift.work())
    try:
        await until(lambda: shift.child.alive and hosting_knows(parts))
        photo, _ = hosting.assets.upload(account, [PHOTO.read_bytes()], "photo.jpg")
        seen.made = await ended(submit(cutout(photo.id), "cutout"))
        found = hosting.assets.of_run(account, seen.made.id)
        texts = [one for one in found if one.kind == "text"]
        seen.texts = [hosting.assets.path(one).read_text() for one in texts]
        pictures = [one for one in found if one.kind != "text"]
        seen.pictures = [hosting.assets.path(one).read_bytes() for one in pictures]
        seen.failed = await ended(submit(FAILING, "failing"))
        id_ = submit(slow(1), "canceled")
        await until(lambda: get(id_).gpu_ms > 0)
        hosting.runs.cancel(account, id_)
        seen.canceled = await ended(id_)
        id_ = submit(slow(2), "killed")
        await until(lambda: get(id_).gpu_ms > 0)
        os.kill(shift.child.pid, signal.SIGKILL)
        seen.retried = await ended(id_)
        seen.balance = parts.ledger.balance(account)
    finally:
        shift.drain()
        shift.drain()
        await working
    seen.ends = shift.ends


def hosting_knows(parts):
    import sqlalchemy as sa

    with parts.engine.connect() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM runs.worker")).scalar_one()


def cutout(asset):
    """The shipped workflow, with an uploaded photo."""
    graph = json.loads((ROOT / "workflows" / "api" / "remove_mannequin.json").read_text())
    graph["1"]["inputs"]["image"] = {"__type": "core/ASSET", "info": {"id": asset}}
    return graph


def test_run_is_charged_what_it_used_and_gives_its_pictures(day):
    run = day.made
    assert (run.state, run.error) == ("succeeded", None)
    assert run.gpu_ms > 0
    assert run.charged == run.gpu_ms * RATE // 1000
    assert run.phases["executing"] == run.gpu_ms
    assert len(day.pictures) == 4  # two saved ones, and what the nodes show of them
    kinds = {Image.open(io.BytesIO(data)).format for data in day.pictures}
    assert kinds == {"PNG", "JPEG"}
    [warning] = day.texts  # what a node says reaches the customer too
    assert warning.endswith("Use a larger photo or a smaller canvas_px.")


def test_failure_of_the_workflow_is_told_and_free(day):
    assert day.failed.state == "failed"
    assert day.failed.error["code"] in ("execution", "refused")
    assert not day.failed.charged


def test_canceled_run_costs_what_it_used(day):
    assert day.canceled.state == "canceled"
    assert day.canceled.charged == day.canceled.gpu_ms * RATE // 1000 > 0


def test_run_whose_comfyui_was_killed_is_run_again_and_charged_once(day):
    run = day.retried
    assert (run.state, run.attempt) == ("succeeded", 2)
    assert run.charged == run.gpu_ms * RATE // 1000
    assert day.ends == ["completed", "failed", "completed", "failed", "completed"]


def test_books_balance_and_hold_nothing(day):
    spent = sum(run.charged for run in (day.made, day.canceled, day.retried))
    assert day.balance.held == 0
    assert day.balance.available == GRANTED - spent
    assert not day.verified
