"""What goes wrong: each ends in a clean state, and as the worker's fault where it was."""

import asyncio
import errno
import os
import signal
import time

import pytest
from dressform.worker import attempt, inputs, protocol

POSIX = pytest.mark.skipif(os.name == "nt", reason="asks for signals. Run it on Linux or macOS.")


async def executing(server, gpu_ms=200):
    await server.until(lambda: any(b["gpu_ms"] > gpu_ms for b in server.bodies("heartbeat")))


async def follow_up(server, work):
    """Another run succeeds: nothing of the trouble is left."""
    server.add(work(), "next")
    await server.until(lambda: "next" in server.ended)
    assert server.ended["next"][0]["end"] == "complete"


def test_silence_for_half_a_lease_kills_the_child(play, work, running, left):
    seen = {}

    async def act(server, shift):
        server.add(work(60.0))
        await executing(server)
        seen["pid"], server.gone, begun = shift.child.pid, True, time.monotonic()
        while running(seen["pid"]):
            await asyncio.sleep(0.02)
        seen["after_s"] = time.monotonic() - begun
        await server.until(lambda: not left())
        server.gone = False
        await server.until(lambda: "r1" in server.ended)
        await follow_up(server, work)

    server, shift = play(act, lease_s=3.0)
    # The last good heartbeat was up to one heartbeat old when silence began.
    assert 0.5 <= seen["after_s"] < 3.0
    assert shift.ends == ["fenced", "completed"]
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"], end["gpu_ms"]) == ("worker", "fenced", 0)
    assert len(server.hellos) == 2


def test_silence_that_ends_in_time_costs_nothing(play, work):
    async def act(server, shift):
        server.add(work(2.0))
        await executing(server)
        server.gone = True
        await asyncio.sleep(1.2)
        server.gone = False
        await server.until(lambda: server.ended)

    server, shift = play(act, lease_s=20.0)
    assert shift.ends == ["completed"]
    assert server.ended["r1"][0]["gpu_ms"] >= 1500


@pytest.mark.parametrize("fault", [500, 503, 429, 0.3], ids=["500", "503", "429", "slow"])
def test_heartbeats_in_trouble_are_sent_again(play, work, fault):
    async def act(server, shift):
        server.faults["heartbeat"] = [fault] * 3
        server.add(work(2.0))
        await server.until(lambda: server.ended)

    server, shift = play(act, lease_s=20.0)
    assert shift.ends == ["completed"]
    assert server.faults["heartbeat"] == []


def test_stale_token_kills_wipes_and_forgets(play, work, running, left):
    pids = []

    async def act(server, shift):
        server.add(work(60.0))
        await executing(server)
        pids.append(shift.child.pid)
        server.faults["heartbeat"] = [409]
        await server.until(lambda: shift.ends)
        assert not running(pids[0])
        assert not left()
        await follow_up(server, work)

    server, shift = play(act)
    assert shift.ends == ["stale", "completed"]
    assert "r1" not in server.ended


@POSIX
def test_killed_comfyui_is_the_worker_s_fault(play, work, running):
    async def act(server, shift):
        server.add(work(60.0))
        await executing(server)
        os.kill(shift.child.pid, signal.SIGKILL)
        await server.until(lambda: server.ended)
        await follow_up(server, work)

    server, shift = play(act)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"], end["node"]) == ("worker", "comfyui_ended", None)
    assert shift.ends == ["failed", "completed"]


@POSIX
def test_comfyui_that_stands_still_is_killed_where_the_run_shall_end(play, work, monkeypatch):
    monkeypatch.setattr(attempt, "BOUNDARY_S", 0.5)

    async def act(server, shift):
        server.add(work(60.0))
        await executing(server)
        os.kill(shift.child.pid, signal.SIGSTOP)
        server.command = "cancel"
        await server.until(lambda: server.ended)
        server.command = "go"
        await follow_up(server, work)

    server, shift = play(act, lease_s=60.0)
    assert server.ended["r1"][0]["end"] == "complete"
    assert shift.ends == ["completed", "completed"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_the_worker_s_fault(play, work, monkeypatch, left, number):
    bring = inputs.bring

    async def full(files, folder, fetch):
        await bring(files, folder, fetch)
        raise OSError(number, os.strerror(number), str(folder))

    async def act(server, shift):
        monkeypatch.setattr(inputs, "bring", full)
        server.add(work(), inputs=[("a.png", PNG)])
        await server.until(lambda: shift.ends)
        assert not left()
        monkeypatch.setattr(inputs, "bring", bring)
        await follow_up(server, work)

    server, _ = play(act)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"]) == ("worker", "disk_full")
    assert end["message"] == "the disk of the worker is full."


def test_error_that_nobody_thought_of_is_told_without_its_text(play, work, monkeypatch, caplog):
    async def broken(files, folder, fetch):
        raise KeyError("secret of the customer")

    async def act(server, shift):
        monkeypatch.setattr(inputs, "bring", broken)
        server.add(work())
        await server.until(lambda: server.ended)

    server, _ = play(act)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"]) == ("worker", "internal")
    assert end["message"] == "KeyError in the worker. Report it."


@pytest.mark.parametrize("word", ["complete", "output", "fail"])
def test_last_words_are_said_until_they_are_heard(play, work, one_node, word):
    workflow = {"1": one_node("Raise", text="no.", kind="ValueError")} if word == "fail" else work()

    async def act(server, shift):
        server.faults[word] = [500, 502]
        server.add(workflow)
        await server.until(lambda: server.ended)

    server, _ = play(act)
    assert server.words().count(word) == 3
    assert len(server.ended["r1"]) == 1


def test_file_that_is_another_than_told_is_the_worker_s_fault(play, work):
    async def act(server, shift):
        server.add(work(), inputs=[("a.png", PNG)])
        server.files["a.png"] = PNG[:-1] + b"x"
        await server.until(lambda: server.ended)

    server, _ = play(act)
    assert (server.ended["r1"][0]["fault"], server.ended["r1"][0]["code"]) == ("worker", "download")


def test_lease_of_another_kind_is_refused(play, work):
    async def act(server, shift):
        server.add(work())["max_gpu_ms"] = -1
        await server.until(lambda: server.ended)
        await follow_up(server, work)

    server, _ = play(act)
    assert (server.ended["r1"][0]["fault"], server.ended["r1"][0]["code"]) == ("worker", "protocol")


def test_worker_without_comfyui_takes_no_run(play, work, program):
    broken = program / "broken"

    async def act(server, shift):
        server.add(work())
        await asyncio.sleep(1.5)
        assert server.words() == []
        broken.unlink()
        await server.until(lambda: server.ended)

    broken.touch()
    try:
        _, shift = play(act)
    finally:
        broken.unlink(missing_ok=True)
    assert shift.ends == ["completed"]


def test_server_that_forgot_the_worker_is_told_again(play, work):
    async def act(server, shift):
        server.faults["lease"] = [404]
        await server.until(lambda: len(server.hellos) == 2)
        await follow_up(server, work)

    play(act)


def beside(act, options, simulator, process, lease_s=3.0):
    """Runs `act(server, process, start)` beside a worker in a process of its own."""

    async def main():
        async with simulator(lease_s=lease_s) as server:
            told = options(server.url)
            with process(told) as worker:
                await act(server, worker, told)
            return server

    return asyncio.run(main())


@POSIX
def test_stopped_worker_is_fenced_by_its_child(options, simulator, process, work, running):
    """SIGSTOP for three leases, then SIGCONT: nothing runs meanwhile, nothing late is taken."""
    seen = {}

    async def act(server, worker, told):
        server.add(work(60.0))
        await executing(server)
        [child] = worker.children()
        worker.send(signal.SIGSTOP)
        begun = time.monotonic()
        while running(child):
            await asyncio.sleep(0.02)
        seen["after_s"] = time.monotonic() - begun
        await asyncio.sleep(3 * server.lease_s - seen["after_s"])
        calls = len(server.calls)
        worker.send(signal.SIGCONT)
        await server.until(lambda: len(server.hellos) == 2)
        assert "complete" not in [word for _, word, _ in server.calls[calls:]]
        await follow_up(server, work)

    server = beside(act, options, simulator, process)
    assert seen["after_s"] < server.lease_s
    assert "r1" not in server.ended


@POSIX
def test_killed_worker_leaves_no_child_and_the_next_one_begins_clean(
    options, simulator, process, work, running
):
    async def act(server, worker, told):
        server.add(work(60.0))
        await executing(server)
        [child] = worker.children()
        worker.send(signal.SIGKILL)
        worker.process.wait()
        begun = time.monotonic()
        while running(child):
            assert time.monotonic() - begun < 20  # half a lease would end it too
            await asyncio.sleep(0.02)
        assert list((told.data / "comfyui" / "input").parent.iterdir())
        with process(told):
            await follow_up(server, work)

    beside(act, options, simulator, process, lease_s=60.0)


@POSIX
def test_sigterm_drains(options, simulator, process, work):
    async def act(server, worker, told):
        server.add(work(1.0))
        await executing(server)
        worker.send(signal.SIGTERM)
        await server.until(lambda: server.ended)
        await asyncio.to_thread(worker.process.wait, 60)
        assert worker.process.returncode == 0
        assert not (told.data / "comfyui").exists()

    server = beside(act, options, simulator, process, lease_s=20.0)
    assert server.ended["r1"][0]["end"] == "complete"


def test_second_worker_of_a_folder_is_refused(options, data):
    from dressform.worker import shift

    with shift.owned(data), pytest.raises(RuntimeError, match="one worker owns"):
        shift.run(options("http://127.0.0.1:9"), lambda line: None)


@pytest.mark.parametrize(
    "change",
    [{"command": "jump"}, {"max_gpu_ms": 1.5}, {"lease_s": float("nan")}, {"lease_s": 0}],
    ids=str,
)
def test_answer_of_another_kind_is_refused(change):
    with pytest.raises(protocol.WorkerError, match="Bring worker and server to one version"):
        protocol.answer({"command": "go", "max_gpu_ms": 1, "lease_s": 30, **change})


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f8ff1f0003030200efa1c3f50000000049454e44ae426082"
)
