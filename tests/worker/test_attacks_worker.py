"""The worker itself (billing.md, 6.B): what listens, what is asked, what is left, what is killed.

Elsewhere: the sandbox and read-only models in test_sandbox.py, Manager and ports of the real
ComfyUI in test_real.py, weights (7, 14) in test_attacks_files.py and test_own_weights.py.
"""

import asyncio
import json
import shutil
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

LISTENING = "0A"  # of a line in /proc/net/tcp
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
ROUTES = {"/system_stats", "/object_info", "/prompt", "/history", "/queue", "/interrupt", "/ws"}


def listening(pid):
    """Addresses that a process listens at, as /proc writes them."""
    inodes = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(handle.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING and words[9] in inodes:
                found.append(words[1].partition(":")[0])
    return found


def test_there_is_a_way_to_see_who_listens():
    import os

    with socket.create_server(("0.0.0.0", 0)):  # noqa: S104 (it is what the test looks for)
        assert "00000000" in listening(os.getpid())


def test_attack_b_no_port_is_open_but_on_loopback(options, simulator, process, work):
    """The worker listens nowhere, its ComfyUI on loopback: nobody outside reaches either."""
    seen = {}

    async def main():
        async with simulator(lease_s=20.0) as server:
            with process(options(server.url)) as one:
                server.add(work(3.0))
                await server.until(lambda: server.bodies("heartbeat"))
                seen["worker"] = listening(one.pid)
                seen["children"] = [listening(pid) for pid in one.children()]

    asyncio.run(main())
    assert seen["worker"] == []
    assert [places for places in seen["children"] if places]
    assert {place for places in seen["children"] for place in places} <= LOOPBACK


def test_attack_b_only_a_few_routes_of_comfyui_are_asked(play, work, monkeypatch):
    """Nothing that installs, uploads, lists or serves files: neither by the worker nor through it.

    Files come and go by the folders of the run, never by /upload and /view.
    """
    asked, request = [], aiohttp.ClientSession._request

    async def recording(self, method, url, **more):
        asked.append(str(url))
        return await request(self, method, url, **more)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", recording)
    origins = set()

    async def act(server, shift):
        server.add(work(0.2), "r1", inputs=[])
        await server.until(lambda: "r1" in server.ended)
        origins.add(shift.child.url)
        server.add(work(5.0), "r2", tenant="b")
        await server.until(lambda: any(b["gpu_ms"] > 300 for b in server.bodies("heartbeat")[-1:]))
        origins.add(shift.child.url)
        server.command = "cancel"
        await server.until(lambda: "r2" in server.ended)

    server, _ = play(act)
    ours = {urlsplit(url).path for url in asked if any(url.startswith(one) for one in origins)}
    assert "/prompt" in ours
    assert {"/" + path.split("/")[1] for path in ours} <= ROUTES
    others = {urlsplit(url).netloc for url in asked} - {urlsplit(one).netloc for one in origins}
    assert others == {urlsplit(server.url).netloc}


@pytest.fixture
def spawning(program, tmp_path):
    """A stand-in whose start leaves a process behind, as a node of a bad pack would."""
    folder = tmp_path / "spawning"
    folder.mkdir()
    shutil.copyfile(program / "main.py", folder / "stand_in.py")
    spawn = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(__file__).with_name("pid").write_text(str(child.pid))
exec(pathlib.Path(__file__).with_name("stand_in.py").read_text())
"""
    (folder / "main.py").write_text(spawn)
    return folder


@pytest.mark.parametrize("how", ["silence", "tenant", "end"])
def test_attack_b_whatever_comfyui_started_dies_with_it(play, work, running, spawning, how):
    pids = []

    async def act(server, shift):
        server.add(work(60.0 if how == "silence" else 0.1), "r1")
        await server.until(lambda: server.bodies("heartbeat"))
        pids.append(int((spawning / "pid").read_text()))
        assert running(pids[0])
        if how == "silence":  # the server is gone for half a lease
            server.gone = True
        else:
            await server.until(lambda: "r1" in server.ended)
        if how == "tenant":
            server.add(work(0.1), "r2", tenant="b")
            await server.until(lambda: "r2" in server.ended)
        if how != "end":
            await server.until(lambda: not running(pids[0]))

    play(act, comfyui=spawning, lease_s=3.0)
    for _ in range(50):
        if not running(pids[0]):
            break
        time.sleep(0.1)
    assert not running(pids[0])


def test_attack_b_comfyui_gets_no_credentials_of_the_machine(play, work, monkeypatch):
    """What a cloud's tools leave in an environment stays out: only names that GPUs need go in."""
    secrets = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS")
    secrets += ("AZURE_CLIENT_SECRET", "HF_TOKEN", "DRESSFORM_WORKER_KEY", "SSH_AUTH_SOCK")
    secrets += ("DATABASE_URL", "STRIPE_SECRET_KEY", "KUBECONFIG", "GITHUB_TOKEN", "PYTHONPATH")
    for name in secrets[:-1]:
        monkeypatch.setenv(name, "a secret")

    async def act(server, shift):
        server.add(work(0.1))
        await server.until(lambda: server.ended)

    server, shift = play(act)
    [saved] = server.assets.values()
    seen = json.loads(saved)["env"]
    assert "a secret" not in seen.values()
    assert not seen.keys() & set(secrets)
    assert seen["HOME"] == str(shift.child.base)  # so that ~/.aws and ~/.ssh are not found


def test_attack_b_nothing_of_a_tenant_is_there_for_the_next(play, work):
    """Not only what ComfyUI knows as its folders: all that it could write to is made anew."""
    hidden, seen = ("user/notes", "tmp/left", "custom_nodes/evil.py", "models/loras/evil"), {}

    async def act(server, shift):
        base = shift.child.base
        server.add(work(0.1), "r1", tenant="a")
        await server.until(lambda: "r1" in server.ended)
        await server.until(lambda: server.words()[-1] == "lease")
        for place in hidden:
            (base / place).parent.mkdir(parents=True, exist_ok=True)
            (base / place).write_text("of tenant a")
        server.add(work(0.1), "r2", tenant="b")
        await server.until(lambda: "r2" in server.ended)
        seen["left"] = [place for place in hidden if (base / place).exists()]

    play(act)
    assert seen["left"] == []


def test_attack_b_run_has_folders_of_its_own_that_are_empty(play, work, one_node, left):
    """Also within one tenant: no run finds the files of another, read or written."""
    seen = []

    async def act(server, shift):
        for run in ("r1", "r2"):
            server.add(work(0.1), run, inputs=[(f"{run}.png", picture())])
            await server.until(lambda run=run: run in server.ended)
            await server.until(lambda: not left())
            seen.append([path.name for path in (shift.child.base / "input").iterdir()])

    server, _ = play(act)
    assert seen == [[], []]
    assert {run: end[0]["end"] for run, end in server.ended.items()} == {
        "r1": "complete",
        "r2": "complete",
    }


def picture():
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()
