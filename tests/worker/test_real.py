"""A worker with the real ComfyUI on the CPU, through a day of two tenants; one start serves all."""

import asyncio
import contextlib
import io
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import numpy as np
import pytest
from blake3 import blake3
from dressform.comfyui import session
from dressform.worker import calibration
from dressform.worker.shift import Options, Shift
from PIL import Image

pytestmark = pytest.mark.comfyui

MANNEQUIN = Path(__file__).parents[2] / "samples" / "dressform" / "photo.jpg"
LISTENING = "0A"  # of a line in /proc/net/tcp
LOOPBACK = "0100007F"


def node(class_type, /, **given):
    return {"class_type": class_type, "inputs": given}


def picture(color=(200, 30, 40)):
    stream = io.BytesIO()
    Image.new("RGB", (96, 64), color).save(stream, "PNG")
    return stream.getvalue()


PHOTO = picture()
COPY = {
    "1": node("LoadImage", image="photo.png"),
    "2": node("ImageBlur", image=["1", 0], blur_radius=3, sigma=1.0),
    "3": node("SaveImage", images=["2", 0], filename_prefix="mine/copy"),
    "4": node("PreviewImage", images=["2", 0]),
}
# This pack's node shows a picture under itself, and ComfyUI tells of it again from its cache.
SHOWN = {
    "1": node("LoadImage", image="photo.png"),
    "2": node("DressformParsePhoto", image=["1", 0]),
    "3": node("SaveImage", images=["2", 6], filename_prefix="overlay"),
}
SECRETS = {
    **COPY,
    "3": node(
        "SaveImage", images=["2", 0], filename_prefix="kept", api_key_comfy_org="comfy-secret"
    ),
}
# Each blur takes a tenth of a second; between nodes ComfyUI looks whether it shall end.
LONG = {
    "0": node("EmptyImage", width=256, height=256, batch_size=1, color=7),
    **{
        str(n): node("ImageBlur", image=[str(n - 1), 0], blur_radius=31, sigma=1.0 + n / 100)
        for n in range(1, 200)
    },
    "early": node("SaveImage", images=["0", 0], filename_prefix="early"),
    "late": node("SaveImage", images=["199", 0], filename_prefix="late"),
}


def prefixed(prefix):
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=1),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }


PREFIXES = ("../../escaped", "/tmp/escaped", "..\\..\\escaped", "a/../../../escaped")  # noqa: S108


@pytest.fixture(scope="module")
def day(comfyui_folder, simulator, tmp_path_factory):
    """What a worker did of each run, by the run's name; and what was seen beside it."""
    data = tmp_path_factory.mktemp("worker")
    told = {"key": "df_worker", "comfyui": comfyui_folder, "data": data, "packs": (session.PACK,)}
    seen = SimpleNamespace(pids={}, data=data, strangers=[])

    async def main():
        async with simulator(lease_s=60.0, heartbeat_s=0.3) as server:
            shift = Shift(Options(url=server.url, **told))
            work = asyncio.ensure_future(shift.work())
            try:
                await live(server, shift, seen)
            finally:
                shift.drain()
                await work
        seen.server = server

    asyncio.run(main())
    return seen


async def live(server, shift, seen):
    async def run(name, workflow, tenant="a", *, files=True, photo=PHOTO):
        server.add(workflow, name, inputs=[("photo.png", photo)] if files else [], tenant=tenant)
        await server.until(lambda: name in server.ended, 240)
        seen.pids[name] = shift.child.pid
        await server.until(lambda: not folder_files(shift.child.base))

    begun = time.monotonic()
    await server.until(lambda: server.hellos, 240)
    seen.started_s = time.monotonic() - begun
    seen.child = shift.child
    seen.listening = listening(shift.child.pid)
    seen.manager = [
        status(shift.child.url + path)
        for path in ("/manager/queue/status", "/v2/manager/queue/status")
    ]
    await run("first", COPY)
    listener = asyncio.ensure_future(listen(shift.child.url, seen.strangers))
    await run("again", COPY)
    await run("secrets", SECRETS)
    await run("shown", SHOWN, photo=MANNEQUIN.read_bytes())
    await run("shown again", SHOWN, photo=MANNEQUIN.read_bytes())
    listener.cancel()
    seen.history = urllib.request.urlopen(shift.child.url + "/history").read()  # noqa: S310
    for number, prefix in enumerate(PREFIXES):
        await run(f"prefix{number}", prefixed(prefix), files=False)
    seen.escaped = list(seen.data.rglob("*escaped*"))
    await run("annotated", {**COPY, "1": node("LoadImage", image="mine/copy_00001_.png [output]")})
    server.add(LONG, "canceled", tenant="a")
    await server.until(lambda: executed(server, "canceled") > 600, 60)
    server.command, seen.asked_at = "cancel", time.monotonic()
    seen.asked_ms = executed(server, "canceled")
    await server.until(lambda: "canceled" in server.ended, 60)
    seen.canceled_s = time.monotonic() - seen.asked_at
    server.command = "go"
    begun = time.monotonic()
    await run("other", COPY, tenant="b")
    seen.switched_s = time.monotonic() - begun
    seen.measured = await calibration.measure(shift.child, seen.data)


def executed(server, run):
    told = [body for body in server.bodies("heartbeat") if body["token"].startswith(f"{run}.")]
    return max((body["gpu_ms"] for body in told), default=0)


def folder_files(base):
    return [p for name in ("input", "output", "temp") for p in (base / name).rglob("*")]


def listening(pid):
    """Addresses that a process listens on, as the kernel writes them."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(str(link.readlink()))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING and f"socket:[{words[9]}]" in sockets:
                found.append(words[1].partition(":")[0])
    return found


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


async def listen(url, heard):
    """Another program on this machine, which listens to all that ComfyUI tells strangers."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url + "/ws") as socket:
        async for message in socket:
            heard.append(message.data if message.type == aiohttp.WSMsgType.TEXT else "binary")


def end(day, run):
    [told] = day.server.ended[run]
    return told


def saved(day, run):
    """The picture that a run saved, and what is written in it."""
    asset = next(one for one in end(day, run)["outputs"] if one["type"] == "output")
    data = next(d for key, d in day.server.assets.items() if asset["asset"] == f"asset-{key[:8]}")
    return Image.open(io.BytesIO(data)), asset


def test_run_gives_its_pictures_and_is_metered(day):
    told = end(day, "first")
    assert told["end"] == "complete"
    image, asset = saved(day, "first")
    assert asset["name"] == "mine/copy_00001_.png"
    assert np.asarray(image)[32, 48].tolist() == [200, 30, 40]
    assert {one["node"]: one["type"] for one in told["outputs"]} == {"3": "output", "4": "temp"}
    assert 0 < told["gpu_ms"] == told["phases"]["executing"]


def test_same_run_again_gives_the_same_pictures_without_the_work(day):
    assert day.pids["again"] == day.pids["first"]
    first, again = saved(day, "first")[0], saved(day, "again")[0]
    assert np.array_equal(np.asarray(first), np.asarray(again))


def test_node_of_this_pack_that_is_cached_does_not_fail_the_second_run(day):
    assert day.pids["shown"] == day.pids["shown again"]
    first, again = end(day, "shown"), end(day, "shown again")
    assert {one["node"]: one["type"] for one in first["outputs"]} == {"2": "temp", "3": "output"}
    assert (again["end"], [one["node"] for one in again["outputs"]]) == ("complete", ["3"])
    pictures = [np.asarray(saved(day, name)[0]) for name in ("shown", "shown again")]
    assert np.array_equal(*pictures)


def test_attack_5_what_a_run_saved_cannot_be_read_by_the_next(day):
    assert (end(day, "annotated")["fault"], end(day, "annotated")["code"]) == (
        "workflow",
        "file_input",
    )


@pytest.mark.parametrize("number", range(len(PREFIXES)), ids=PREFIXES)
def test_attack_6_no_prefix_leaves_the_output_folder(day, number):
    told = end(day, f"prefix{number}")
    assert day.escaped == []
    if told["end"] == "complete":  # a backslash is a letter on this system
        assert "\\" in PREFIXES[number]
    else:
        assert told["fault"] == "workflow"
    assert not Path("/tmp/escaped_00001_.png").exists()  # noqa: S108


def test_attack_12_saved_picture_holds_no_secret(day):
    image, _ = saved(day, "secrets")
    written = json.dumps(image.info)
    assert "class_type" in written  # the workflow itself is there
    assert "secret" not in written
    assert "df_worker" not in written


def test_attack_16_other_tenant_s_run_takes_nothing_from_a_cache(day):
    assert day.pids["other"] != day.pids["first"]
    told = [b for b in day.server.bodies("heartbeat") if b["token"].startswith("other.")]
    assert end(day, "other")["gpu_ms"] > 0
    assert {b["phase"] for b in told} & {"provisioning"}
    assert end(day, "other")["end"] == "complete"


def test_attack_17_strangers_on_the_machine_hear_no_run(day):
    kinds = {json.loads(text)["type"] for text in day.strangers if text != "binary"}
    assert kinds <= {"status", "feature_flags"}
    assert "binary" not in day.strangers
    assert "photo.png" not in "".join(day.strangers)


def test_history_of_the_child_is_empty_after_a_run(day):
    assert json.loads(day.history) == {}


def test_cancel_ends_the_real_one_between_two_nodes(day):
    told = end(day, "canceled")
    assert (told["end"], told["outputs"]) == ("complete", [])
    assert 600 <= told["gpu_ms"] <= day.asked_ms + 1000 * day.canceled_s + 5000
    assert day.canceled_s < 15  # of some 20 that the work takes


def test_worker_b_comfyui_listens_on_loopback_only(day):
    assert set(day.listening) == {LOOPBACK}


def test_worker_b_there_is_no_manager(day):
    assert day.manager == [404, 404]


def test_worker_tells_of_its_packs_and_nodes(day):
    [hello] = day.server.hellos
    assert hello["gpu_class"] == "cpu"
    [pack] = hello["environment"]["packs"]
    assert pack["name"] == "dressform"
    assert hello["node_classes"]["SaveImage"] == "comfyui"
    assert hello["node_classes"]["DressformRemoveMannequin"] == "dressform"


def test_speed_of_the_device_is_measured_and_kept(day):
    kept = calibration.read(day.data)
    assert kept == day.measured
    assert kept["speed"]["blur_mpx_per_s"] > 0
    told = calibration.told(day.data, "w", None, kept["gpu"])
    assert told["calibrated_at"] == kept["calibrated_at"]
    assert told["speed"] == kept["speed"]
    other = calibration.told(day.data, "w", "l4", {"name": "NVIDIA L4", "vram_bytes": 1})
    assert (other["speed"], other["calibrated_at"], other["gpu_class"]) == ({}, None, "l4")


def test_nothing_is_left_when_the_worker_has_gone(day):
    assert not (day.data / "comfyui").exists()
    assert blake3(PHOTO).hexdigest() not in [path.name for path in day.data.rglob("*")]
