"""The parts of a worker that need no server: weights on disk, the meter, introduction, command."""

import asyncio
import hashlib
import json
import os
import shutil
import struct
import time
from collections import namedtuple

import pytest
from dressform import cli, worker_command
from dressform.worker import introduction, models, outputs, protocol
from dressform.worker.meter import Meter, loaders
from dressform.worker.wire import AwayError, RefusedError, Wire, persistently

MODEL_BYTES = 1000


def weights(number, size=MODEL_BYTES):
    """A safetensors file of so many bytes."""
    count = size - 8 - 120
    head = json.dumps({"n": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}})
    head = head.ljust(120).encode()
    return struct.pack("<Q", len(head)) + head + bytes([number]) * count


def model(number, size=MODEL_BYTES):
    data = weights(number, size)
    digest = hashlib.sha256(data).hexdigest()
    return protocol.Model("loras", f"{number}.safetensors", f"/m/{number}", digest, len(data)), data


@pytest.fixture
def bring(tmp_path):
    """A function that brings models into a cache; what was fetched is in `fetched`."""
    fetched = []

    def run(cache, *wanted, corrupt=False):
        data = {one.url: content for one, content in wanted}

        async def fetch(url, take, most_bytes):
            fetched.append(url)
            take(data[url][:500])
            take(b"x" * 500 if corrupt else data[url][500:])

        return asyncio.run(cache.bring([one for one, _ in wanted], fetch))

    run.fetched = fetched
    return run


def test_weights_are_fetched_once_and_read_only(tmp_path, bring):
    cache, one = models.Cache(tmp_path, 10_000), model(1)
    [path] = bring(cache, one).values()
    assert path.read_bytes() == one[1]
    assert path.stat().st_mode & 0o222 == 0
    bring(cache, one)
    assert bring.fetched == ["/m/1"]


def test_longest_unused_weights_go_first(tmp_path, bring):
    cache = models.Cache(tmp_path, 3 * MODEL_BYTES)
    made = {number: model(number) for number in range(5)}
    for number in (1, 2, 3):
        bring(cache, made[number])
        time.sleep(0.01)
    bring(cache, made[1])
    time.sleep(0.01)
    bring(cache, made[4])
    assert list(cache.held()) == [made[n][0].sha256 for n in (3, 1, 4)]


def test_weights_in_memory_are_told_first_and_not_too_many(tmp_path, bring, monkeypatch):
    cache = models.Cache(tmp_path, 10 * MODEL_BYTES)
    for number in (1, 2):
        bring(cache, model(number))
        time.sleep(0.01)
    keys = [model(number)[0].sha256 for number in (2, 1)]
    assert cache.resident({"loras/x", keys[1]}) == [*sorted(["loras/x", keys[1]]), keys[0]]
    monkeypatch.setattr(models, "MAX_TOLD", 2)
    assert cache.resident({"a", "b", "c"}) == ["a", "b"]


def test_weights_of_the_same_run_stay(tmp_path, bring):
    cache = models.Cache(tmp_path, 2 * MODEL_BYTES)
    first, second, third = (model(number) for number in (1, 2, 3))
    bring(cache, first, second)
    found = bring(cache, first, third)
    assert all(path.exists() for path in found.values())
    with pytest.raises(protocol.WorkerError, match=r"must fit into 2000 bytes, got 3000"):
        bring(cache, first, second, third)


def test_full_disk_evicts_before_it_fetches(tmp_path, bring, monkeypatch):
    cache = models.Cache(tmp_path, 10 * MODEL_BYTES)
    bring(cache, model(1))
    time.sleep(0.01)
    bring(cache, model(2))
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(models.MIN_FREE_BYTES + 500))
    bring(cache, model(3))
    assert list(cache.held()) == [model(n)[0].sha256 for n in (2, 3)]


def test_other_weights_than_told_are_not_kept(tmp_path, bring):
    cache = models.Cache(tmp_path, 10_000)
    with pytest.raises(protocol.WorkerError, match="got others"):
        bring(cache, model(1), corrupt=True)
    assert list(tmp_path.iterdir()) == []


def test_half_a_download_of_an_earlier_worker_is_removed(tmp_path):
    (tmp_path / f"a{models.PARTIAL}").write_bytes(b"half")
    models.Cache(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_pickles_of_the_operator_are_as_good_as_not_there(tmp_path):
    for name in ("a.ckpt", "b.pt", "c.safetensors", "d.bin", "sub/e.safetensors"):
        path = tmp_path / "checkpoints" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    found = models.local(tmp_path)
    assert [(one.folder, one.name, one.bytes) for one in found] == [
        ("checkpoints", "c.safetensors", 5),
        ("checkpoints", "sub/e.safetensors", 5),
    ]
    assert models.local(tmp_path / "nowhere") == models.local(None) == []


def test_file_is_seen_elsewhere_without_a_copy(tmp_path):
    (tmp_path / "a").write_bytes(b"weights")
    models.show(tmp_path / "a", tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").read_bytes() == b"weights"
    assert os.path.samefile(tmp_path / "a", tmp_path / "deep" / "b")


def test_meter_counts_each_phase_and_never_back():
    now = [100.0]
    meter = Meter(lambda: now[0])
    for seconds, kind in ((2, "Load"), (3, "Work"), (5, "Load"), (7, "Work"), (1, "Work")):
        now[0] += seconds
        meter.node(kind, {"Load"})
    now[0] -= 4  # no clock does that; no time is given back if it did
    meter.enter("uploading")
    now[0] += 0.5
    told = {"provisioning": 2000, "loading": 10_000, "executing": 6000, "uploading": 500}
    assert meter.phases() == told
    assert meter.gpu_ms == 6000


def schema(output, choices=None):
    given = (
        {"model": ["MODEL", {}]} if choices is None else {"name": ["COMBO", {"options": choices}]}
    )
    return {"output": output, "input": {"required": given}}


def test_nodes_that_choose_a_file_and_put_out_nothing_but_weights_load():
    weights = ["MODEL", "CLIP", "VAE"]
    schemas = {
        "CheckpointLoaderSimple": schema(weights, ["a.safetensors"]),
        "LoraLoader": schema(["MODEL", "CLIP"], []),
        "VAELoader": schema(["VAE"], ["pixel_space", "b.safetensors"]),
        "ModelMergeSimple": schema(["MODEL"]),
        "ModelSampling": schema(["MODEL"], ["eps", "v_prediction"]),
        "ImageOnlyCheckpointSampler": schema(["MODEL", "IMAGE"], ["a.safetensors"]),
        "SaveImage": schema([], []),
    }
    assert loaders(schemas) == {"CheckpointLoaderSimple", "LoraLoader", "VAELoader"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-80gb"),
        ("NVIDIA H100 PCIe", "h100"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("Tesla T4", "t4"),
        ("NVIDIA L40S", "l40s"),
        ("AMD Radeon RX 7900 XTX", "rx7900-xtx"),
        ("cpu", "cpu"),
    ],
)
def test_class_of_a_device_comes_from_its_name(name, expected):
    assert introduction.gpu_class(name) == expected


def test_device_is_the_first_without_its_number():
    first = {"name": "cuda:0 NVIDIA L4 : cudaMallocAsync", "vram_total": 24}
    assert introduction.device({"devices": [first, {}]}) == {"name": "NVIDIA L4", "vram_bytes": 24}
    assert introduction.device({}) == {"name": "cpu", "vram_bytes": 0}


def test_environment_changes_with_the_code_of_a_pack(tmp_path):
    (tmp_path / "a.py").write_text("1")
    before = introduction.environment({}, [introduction.pack(tmp_path)])
    (tmp_path / "notes.md").write_text("x")
    assert introduction.environment({}, [introduction.pack(tmp_path)]) == before
    (tmp_path / "a.py").write_text("2")
    assert introduction.environment({}, [introduction.pack(tmp_path)])["digest"] != before["digest"]


def test_classes_are_bound_to_the_pack_that_defines_them():
    schemas = {
        "A": {"python_module": "nodes"},
        "B": {"python_module": "comfy_extras.nodes_canny"},
        "C": {"python_module": "custom_nodes.folder-1"},
        "D": {"python_module": "custom_nodes.unnamed"},
    }
    bound = introduction.node_classes(schemas, {"folder-1": "dressform"})
    assert bound == {"A": "comfyui", "B": "comfyui", "C": "dressform", "D": "unnamed"}


def test_calls_are_repeated_until_they_are_heard(monkeypatch):
    left = [AwayError("a"), AwayError("b")]

    async def call():
        if left:
            raise left.pop()
        return 7

    async def main():
        monkeypatch.setattr("dressform.worker.wire.FIRST_PAUSE_S", 0.01)
        return await persistently(call)

    assert asyncio.run(main()) == 7


def test_refusal_is_not_repeated():
    async def call():
        raise RefusedError("no")

    with pytest.raises(RefusedError):
        asyncio.run(persistently(call))


@pytest.fixture
def two_servers():
    """Two servers on this machine; what they were asked with is in the lists."""
    from aiohttp import web

    async def run(act):
        asked = []

        async def answer(request):
            token = request.headers.get("X-Attempt-Token")
            asked.append((request.host, request.headers.get("Authorization"), token))
            if request.path == "/away":
                raise web.HTTPFound("/a")
            return web.Response(body=b"12345")

        runners = []
        for _ in range(2):
            app = web.Application()
            app.router.add_get("/{any}", answer)
            runners.append(web.AppRunner(app))
            await runners[-1].setup()
            await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        urls = [f"http://127.0.0.1:{one.addresses[0][1]}" for one in runners]
        try:
            async with Wire(urls[0], "df_key") as wire:
                await act(wire, urls[1])
        finally:
            for one in runners:
                await one.cleanup()
        return asked

    return run


LEASE = protocol.Lease("r", 1, "token", {}, (), (), 0, 30, "a")


def test_key_and_token_go_to_the_server_alone(two_servers):
    taken = []

    async def act(wire, other):
        await wire.download(LEASE, "/a", taken.append, 5)
        await wire.download(LEASE, other + "/a", taken.append, 5)

    (_, key, token), (_, other_key, other_token) = asyncio.run(two_servers(act))
    assert (key, token) == ("Bearer df_key", "token")
    assert (other_key, other_token) == (None, None)
    assert taken == [b"12345", b"12345"]


def test_more_bytes_than_told_end_a_download(two_servers):
    async def act(wire, other):
        with pytest.raises(protocol.WorkerError, match="must have 4 bytes, got more"):
            await wire.download(LEASE, "/a", lambda chunk: None, 4)

    asyncio.run(two_servers(act))


@pytest.mark.parametrize("url", ["http://169.254.169.254/a", "file:///etc/passwd", "gopher://x/a"])
def test_attack_9_worker_fetches_nothing_in_clear_or_from_files(two_servers, url):
    async def act(wire, other):
        with pytest.raises(ValueError, match="must begin with https://"):
            await wire.download(LEASE, url, lambda chunk: None, 5)

    assert asyncio.run(two_servers(act)) == []


def test_command_needs_a_server_and_a_key(capsys, monkeypatch):
    monkeypatch.delenv("DRESSFORM_WORKER_KEY", raising=False)
    assert cli.main(["worker"]) == 1
    assert "--server is required" in capsys.readouterr().err
    assert cli.main(["worker", "--server", "https://example.com"]) == 1
    assert "--key or DRESSFORM_WORKER_KEY is required" in capsys.readouterr().err


def test_tree_that_names_further_folders_is_refused(tmp_path, capsys, monkeypatch):
    worked = []
    monkeypatch.setattr(worker_command, "close_to_others", lambda: None)  # this very process
    monkeypatch.setattr("dressform.comfyui.session.prepare", lambda notify: tmp_path)
    monkeypatch.setattr("dressform.worker.shift.run", lambda options, say: worked.append(options))
    told = ["worker", "--server", "https://example.com", "--key", "k", "--sandbox", "off"]
    (tmp_path / "extra_model_paths.yaml.example").write_text("")
    assert cli.main(told) == 0
    (tmp_path / "extra_model_paths.yaml").write_text("comfyui: {base_path: /srv/private}")
    assert cli.main(told) == 1
    assert "from --models alone, got" in capsys.readouterr().err
    assert len(worked) == 1


@pytest.mark.parametrize("where", ["to the server", "to a store"])
def test_upload_that_stands_still_is_given_up(tmp_path, monkeypatch, where):
    """Nobody is told that a connection is dead: the bytes only stop being taken."""
    monkeypatch.setattr("dressform.worker.wire.SILENCE_S", 0.3)
    monkeypatch.setattr("dressform.worker.wire.SLOWEST_BYTES_S", 1e9)
    path, size = tmp_path / "large.bin", 32 << 20  # more than the system buffers
    path.write_bytes(bytes(size))
    large = outputs.File("1", path.name, "output", path, tmp_path, size)

    async def main():
        over = asyncio.Event()

        async def take(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                to = {"url": url + "/store", "asset": "a"} if where == "to a store" else {}
                told = json.dumps(to).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
            await over.wait()
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, Wire(url, "df_key") as wire:
            with pytest.raises(AwayError):
                await wire.upload(LEASE, "d", large)
            over.set()

    asyncio.run(asyncio.wait_for(main(), 20))
