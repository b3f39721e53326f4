"""A worker beside a server that keeps to the protocol: a whole day in good order."""

import json
import re

import pytest
from dressform.worker import shift as shift_module


def picture(server, run="r1"):
    [asset] = server.ended[run][0]["outputs"]
    return json.loads(
        next(data for key, data in server.assets.items() if asset["asset"] == f"asset-{key[:8]}")
    )


def test_run_is_fetched_executed_uploaded_and_told(play, work, one_node, left):
    workflow = work(1.0, **{"1": one_node("Weights", name="../input/a.png", seconds=0.3)})
    workflow["4"] = one_node("Read", image="a.png")

    async def act(server, shift):
        server.add(workflow, inputs=[("a.png", PNG)])
        await server.until(lambda: server.ended)
        await server.until(lambda: not left())

    server, shift = play(act)
    [end] = server.ended["r1"]
    assert end["end"] == "complete"
    assert shift.ends == ["completed"]
    assert 900 <= end["gpu_ms"] <= 10_000
    assert end["gpu_ms"] == end["phases"]["executing"]
    assert 250 <= end["phases"]["loading"] <= 10_000
    [output] = end["outputs"]
    assert (output["node"], output["name"], output["type"]) == ("3", "picture_00001_.png", "output")
    beats = server.bodies("heartbeat")
    assert len(beats) >= 4
    assert [beat["gpu_ms"] for beat in beats] == sorted(beat["gpu_ms"] for beat in beats)
    assert {beat["phase"] for beat in beats} >= {"provisioning", "executing"}
    assert any(
        one["node"] == "2" and 0 < one["value"] < one["max"]
        for beat in beats
        for one in beat["progress"]
    )


def test_worker_introduces_itself(play, options):
    async def act(server, shift):
        await server.until(lambda: "lease" in server.words())

    server, _ = play(act)
    [hello] = server.hellos
    assert hello["protocol"] == 1
    assert hello["gpu_class"] == "cpu"
    assert hello["gpu"] == {"name": "cpu", "vram_bytes": 1000}
    assert hello["environment"]["comfyui"] == "0.0"
    assert hello["environment"]["python"] == "3.11.2"
    assert len(hello["environment"]["digest"]) == 64
    assert hello["node_classes"]["Work"] == "comfyui"
    assert hello["calibrated_at"] is None
    assert server.bodies("lease")[0]["free_vram_bytes"] == 500


def test_workers_of_one_name_are_told_apart_and_each_keeps_its_own(play, tmp_path):
    async def act(server, shift):
        await server.until(lambda: "lease" in server.words())

    names = []
    for folder in ("a", "a", "b"):
        server, _ = play(act, name="gpu-0", data=tmp_path / folder)
        names.append(server.hellos[0]["name"])
    assert names[0] == names[1] != names[2]
    assert all(re.fullmatch(r"gpu-0-[0-9a-f]{6}", name) for name in names)


def test_key_that_the_server_refuses_ends_the_worker(play):
    async def act(server, shift):
        await server.until(lambda: False)

    with pytest.raises(RuntimeError, match=r"(?s)status 401.*Check --server and --key"):
        play(act, key="df_wrong")


def test_same_tenant_keeps_the_child_and_gets_its_files_again(play, work):
    async def act(server, shift):
        server.add(work(1.5), "r1")
        server.add(work(1.5), "r2")
        await server.until(lambda: len(server.ended) == 2)

    server, _ = play(act)
    first, second = picture(server, "r1"), picture(server, "r2")
    assert first["pid"] == second["pid"]
    assert server.ended["r2"][0]["gpu_ms"] < 1200  # its work was still cached


def test_cached_node_s_preview_that_was_wiped_is_not_missed(play, work, one_node):
    workflow = work(**{"1": one_node("Peek", text="p")})

    async def act(server, shift):
        server.add(workflow, "r1")
        server.add(workflow, "r2")
        await server.until(lambda: len(server.ended) == 2)

    server, _ = play(act)
    ends = [server.ended[run][0] for run in ("r1", "r2")]
    assert [end["end"] for end in ends] == ["complete", "complete"]
    assert [{one["node"] for one in end["outputs"]} for end in ends] == [{"1", "3"}, {"3"}]


def test_attack_16_another_tenant_gets_a_new_child(play, work, running):
    async def act(server, shift):
        for run, tenant in (("r1", "a"), ("r2", "b"), ("r3", "a")):
            server.add(work(1.0), run, tenant=tenant)
        await server.until(lambda: len(server.ended) == 3)

    server, _ = play(act)
    pids = [picture(server, run)["pid"] for run in ("r1", "r2", "r3")]
    assert len(set(pids)) == 3
    assert not any(map(running, pids))
    for run in ("r1", "r2", "r3"):  # nothing was taken from a cache
        assert server.ended[run][0]["gpu_ms"] >= 300


def test_idle_worker_has_a_fresh_child_ready_for_the_next_tenant(play, work, monkeypatch):
    monkeypatch.setattr(shift_module, "IDLE_S", 0.5)
    pids = []

    async def act(server, shift):
        server.add(work(0.1), "r1", tenant="a")
        await server.until(lambda: server.ended)
        pids.append(shift.child.pid)
        await server.until(lambda: shift.child.alive and shift.child.tenant is None)
        pids.append(shift.child.pid)
        server.add(work(0.1), "r2", tenant="b")
        await server.until(lambda: len(server.ended) == 2)

    server, _ = play(act)
    assert [picture(server, run)["pid"] for run in ("r1", "r2")] == pids
    assert pids[0] != pids[1]


def test_cancel_ends_at_the_next_step_and_costs_what_was_used(play, work):
    async def act(server, shift):
        server.add(work(30.0))
        await server.until(lambda: any(b["gpu_ms"] > 300 for b in server.bodies("heartbeat")))
        server.command = "cancel"
        await server.until(lambda: server.ended)

    server, shift = play(act)
    [end] = server.ended["r1"]
    assert end["end"] == "complete"
    assert end["outputs"] == []
    assert 300 < end["gpu_ms"] < 15_000
    assert shift.ends == ["completed"]


def test_cancel_while_files_are_fetched_ends_at_once(play, work):
    async def act(server, shift):
        server.add(work(), inputs=[("a.png", PNG)])
        server.faults["file"] = [60.0]
        await server.until(lambda: "heartbeat" in server.words())
        server.command = "cancel"
        await server.until(lambda: server.ended)  # within 30 s, and not 60

    server, _ = play(act)
    assert server.ended["r1"][0]["gpu_ms"] == 0


def test_stop_keeps_the_outputs_so_far(play, work, one_node):
    workflow = {"1": one_node("Save", text="t", prefix="early"), **work(30.0)}

    async def act(server, shift):
        server.add(workflow)
        await server.until(lambda: any(b["gpu_ms"] > 300 for b in server.bodies("heartbeat")))
        server.command = "stop"
        await server.until(lambda: server.ended)

    server, _ = play(act)
    [end] = server.ended["r1"]
    assert [output["name"] for output in end["outputs"]] == ["early_00001_.png"]


def test_run_stops_by_itself_where_the_hold_is_used_up(play, work):
    async def act(server, shift):
        server.max_gpu_ms = 700
        server.add(work(30.0))
        await server.until(lambda: server.ended)

    server, _ = play(act)
    assert 700 <= server.ended["r1"][0]["gpu_ms"] < 15_000


def test_node_that_fails_is_the_workflow_s_fault(play, one_node):
    async def act(server, shift):
        server.add({"7": one_node("Raise", text="no face was found.", kind="ValueError")})
        await server.until(lambda: server.ended)

    server, shift = play(act)
    [end] = server.ended["r1"]
    assert (end["end"], end["fault"], end["code"]) == ("fail", "workflow", "execution")
    assert (end["message"], end["node"]) == ("no face was found.", "7")
    assert shift.ends == ["failed"]


@pytest.mark.parametrize(
    ("kind", "text", "fault", "code"),
    [
        ("OSError", "[Errno 28] No space left on device: 'a.png'", "worker", "disk_full"),
        ("OutOfMemoryError", "Allocation on device", "workflow", "out_of_memory"),
        ("RuntimeError", "CUDA out of memory.", "workflow", "out_of_memory"),
    ],
)
def test_failures_of_the_machine_are_known_by_their_words(play, one_node, kind, text, fault, code):
    async def act(server, shift):
        server.add({"7": one_node("Raise", text=text, kind=kind)})
        await server.until(lambda: server.ended)

    server, _ = play(act)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"]) == (fault, code)


def test_drain_finishes_the_run_and_takes_no_other(play, work):
    async def act(server, shift):
        server.add(work(1.0), "r1")
        await server.until(lambda: "heartbeat" in server.words())
        server.add(work(), "r2")
        shift.drain()
        await server.until(lambda: server.ended)

    server, shift = play(act)
    assert shift.ends == ["completed"]
    assert "r2" not in server.ended
    assert "goodbye" in server.words()
    assert not shift.child.base.exists()


def test_drain_hands_back_what_does_not_end_in_time(play, work):
    async def act(server, shift):
        server.add(work(60.0))
        await server.until(lambda: "heartbeat" in server.words())
        shift.drain()
        await server.until(lambda: server.ended)

    server, shift = play(act, drain_s=0.5)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"]) == ("worker", "drained")
    assert shift.ends == ["handed back"]


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f8ff1f0003030200efa1c3f50000000049454e44ae426082"
)
