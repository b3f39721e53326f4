"""Customers' own weights in the real ComfyUI: a LoRA, a diffusion model, an upscaler, all tiny."""

import asyncio
import contextlib
import io
import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from dressform.comfyui import session
from dressform.worker import shift as shift_module
from dressform.worker.shift import Options, Shift
from PIL import Image

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

pytestmark = [pytest.mark.comfyui, pytest.mark.postgres]
CREDIT = 1_000_000


def node(class_type, /, **given):
    return {"class_type": class_type, "inputs": given}


def safetensors(tensors):
    """Writes arrays of float32 as a file of weights."""
    head, body = {}, b""
    for name, array in tensors.items():
        data = np.asarray(array, np.float32)
        span = [len(body), len(body) + data.nbytes]
        head[name] = {"dtype": "F32", "shape": list(data.shape), "data_offsets": span}
        body += data.tobytes()
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + body


def upscaler(added):
    """A network that adds so much to every channel: Real-ESRGAN's compact layout, one layer."""
    layers = {"0": (4, 3), "2": (4, 4), "4": (3, 4)}
    tensors = {}
    for number, (outputs, inputs) in layers.items():
        tensors[f"body.{number}.weight"] = np.zeros((outputs, inputs, 3, 3))
        tensors[f"body.{number}.bias"] = np.full(outputs, added if number == "4" else 0.0)
    tensors |= {f"body.{number}.weight": np.zeros(4) for number in (1, 3)}
    return safetensors(tensors)


QKV = "joint_blocks.0.context_block.attn.qkv"
UNET = safetensors(  # what Stable Diffusion 3 is known by, one block of it
    {
        "x_embedder.proj.weight": np.zeros((64, 16, 2, 2)),
        "y_embedder.mlp.0.weight": np.zeros((64, 32)),
        "context_embedder.weight": np.zeros((64, 96)),
        f"{QKV}.weight": np.zeros((192, 64)),
    }
)
LORA = safetensors(
    {
        f"diffusion_model.{QKV}.lora_up.weight": np.ones((192, 2)),
        f"diffusion_model.{QKV}.lora_down.weight": np.ones((2, 64)),
    }
)
UPSCALE = {
    "1": node("EmptyImage", width=16, height=16, batch_size=1, color=0x404040),
    "2": node("UpscaleModelLoader", model_name="mine.safetensors"),
    "3": node("ImageUpscaleWithModel", upscale_model=["2", 0], image=["1", 0]),
    "4": node("SaveImage", images=["3", 0], filename_prefix="a"),
}
STYLE = {
    "1": node("UNETLoader", unet_name="tiny.safetensors", weight_dtype="default"),
    "2": node(
        "LoraLoaderModelOnly", model=["1", 0], lora_name="style.safetensors", strength_model=1.0
    ),
    "3": node("PreviewAny", source=["2", 0]),
}


@pytest.fixture(scope="module")
def day(comfyui_folder, tmp_path_factory, serving):
    """What became of the runs of two customers."""
    seen = SimpleNamespace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shift_module, "HEARTBEAT_S", 0.5)
        with serving(tmp_path_factory.mktemp("server"), CREDIT) as (url, secret, parts):
            told = {"comfyui": comfyui_folder, "packs": (session.PACK,)}
            told["data"] = tmp_path_factory.mktemp("worker")
            asyncio.run(work(Shift(Options(url=url, key=secret, **told)), parts, seen))
            assert not parts.ledger.verify().problems
    return seen


async def work(shift, parts, seen):
    from dressform.billing_server.runs.values import Caller, RunError

    hosting = parts.hosting
    mine, theirs = (parts.ledger.open_account(name) for name in ("mine", "theirs"))
    for account in (mine, theirs):
        parts.ledger.grant(account, 1000 * CREDIT, "paid", key="g")

    async def until(holds, timeout_s=200):
        async with asyncio.timeout(timeout_s):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.1)

    async def run(account, graph, key):
        id_ = hosting.runs.submit(Caller(account, "7"), graph, key=key)[0].id
        await until(lambda: hosting.runs.get(account, id_).ended)
        made = hosting.assets.of_run(account, id_)
        return hosting.runs.get(account, id_), [hosting.assets.path(one) for one in made]

    def bring(account, data, folder, name):
        return hosting.weights.upload(account, [data], folder, name, "cc0-1.0")[0]

    working = asyncio.ensure_future(shift.work())
    try:
        await until(lambda: shift.child.alive and shift.child.schemas)
        await until(lambda: ready(hosting, mine))
        first = bring(mine, upscaler(0.25), "upscale_models", "mine.safetensors")
        seen.first = await run(mine, UPSCALE, "first")
        hosting.weights.delete(mine, first.id)
        bring(mine, upscaler(0.5), "upscale_models", "mine.safetensors")
        seen.second = await run(mine, UPSCALE, "second")
        bring(mine, UNET, "diffusion_models", "tiny.safetensors")
        bring(mine, LORA, "loras", "style.safetensors")
        seen.style = await run(mine, STYLE, "style")
        with contextlib.suppress(RunError):
            hosting.runs.submit(Caller(theirs, "7"), STYLE, key="style")
            seen.leaked = True
        seen.missing = hosting.runs.plan(theirs, STYLE).missing_models
        seen.left = list((shift.child.base / "models").rglob("*.safetensors"))
    finally:
        shift.drain()
        shift.drain()
        await working


def ready(hosting, account):
    from dressform.billing_server.runs.values import RunError

    with contextlib.suppress(RunError):
        return hosting.runs.plan(account, {"1": UPSCALE["1"]})


def color(paths):
    (path,) = paths
    return int(np.asarray(Image.open(io.BytesIO(path.read_bytes())))[8, 8, 0])


def test_comfyui_runs_the_customer_s_own_weights(day):
    run, made = day.first
    assert (run.state, run.error, run.attempt) == ("succeeded", None, 1)
    assert color(made) == pytest.approx(0x40 + 0.25 * 255, abs=1)


def test_other_content_under_the_old_name_is_loaded_anew(day):
    run, made = day.second
    assert (run.state, run.error) == ("succeeded", None)
    assert color(made) == pytest.approx(0x40 + 0.5 * 255, abs=1)


def test_comfyui_puts_the_customer_s_lora_on_his_model(day):
    run, _ = day.style
    assert (run.state, run.error) == ("succeeded", None)


def test_attack_14_another_customer_misses_them(day):
    assert day.missing == ("diffusion_models/tiny.safetensors", "loras/style.safetensors")
    assert not hasattr(day, "leaked")
    assert day.left == []
