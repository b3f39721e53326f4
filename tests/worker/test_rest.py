"""A worker that cannot do the next run well leaves it to others for a while; the clock is moved."""

import asyncio
import errno
import os
from collections import namedtuple

import pytest
from dressform.worker import blame
from dressform.worker import shift as shift_module
from dressform.worker.protocol import WorkerError, WorkflowError
from dressform.worker.shift import ROOM_BYTES, Shift
from dressform.worker.wire import AwayError, RefusedError

LEASE = {"run": "r1", "attempt": 1, "token": "t", "workflow": {}, "inputs": [], "models": []}
LEASE |= {"max_gpu_ms": 1, "lease_s": 30, "tenant": "a"}
GOOD, BROKEN, CRASHED = "good", "broken", "crashed"


class Child:
    """A ComfyUI that is there until a run ends it."""

    alive = True

    async def stop(self):
        self.alive = False


class Attempt:
    """Ends as the script says."""

    FENCED = "fenced"
    script = ()

    def __init__(self, lease, wire, child, cache, **more):
        self._child, self.broken = child, False

    async def run(self):
        end = self.script.pop(0)
        self.broken = end != GOOD
        self._child.alive = end != CRASHED
        return "failed" if self.broken else "completed"


@pytest.fixture
def rests(options, data, monkeypatch):
    """A function that lets attempts end as told; returns how long the worker rested, and how."""

    def play(*script, free=lambda: ROOM_BYTES, sleep=None):
        slept, said, polled = [], [], []

        async def pause(seconds):
            slept.append(seconds)
            await (sleep(shift) if sleep else asyncio.sleep(0))

        async def begin(wire):
            shift.child.alive = True

        async def poll(wire):
            polled.append(len(slept))
            if Attempt.script:
                return LEASE
            shift.drain()
            return None

        data.mkdir(exist_ok=True)
        usage = namedtuple("usage", "free")
        monkeypatch.setattr(shift_module.shutil, "disk_usage", lambda _: usage(free()))
        monkeypatch.setattr(shift_module, "Attempt", Attempt)
        monkeypatch.setattr(Attempt, "script", list(script))
        shift = Shift(options("http://127.0.0.1:1"), said.append, sleep=pause)
        shift.child, shift._begin, shift._poll = Child(), begin, poll
        asyncio.run(asyncio.wait_for(shift.work(), 10))
        return slept, said, polled

    return play


@pytest.mark.parametrize("fault", [BROKEN, CRASHED])
def test_rest_after_own_faults_grows_until_a_run_is_done(rests, fault):
    slept, _, _ = rests(*[fault] * 7, GOOD, fault, fault)
    expected = [1, 2, 4, 8, 16, 30, 30, 1, 2]
    assert slept[: len(expected)] == expected


def test_failure_of_a_workflow_needs_no_rest(rests):
    slept, _, polled = rests(GOOD, GOOD, GOOD)
    assert polled == [0, 0, 0, 0]
    assert len(slept) == 1  # when it was over


def test_worker_without_room_asks_for_no_run(rests, data):
    free = iter([ROOM_BYTES - 1, 0, ROOM_BYTES, ROOM_BYTES])
    slept, said, polled = rests(GOOD, free=lambda: next(free))
    assert slept[:2] == [1, 2]
    assert polled == [2, 2]
    assert said[:2] == [f"{data} must have 268435456 bytes free. Make room."] * 2


def test_rest_ends_when_the_worker_is_asked_to(rests):
    async def forever(shift):
        shift.drain()
        await asyncio.Event().wait()

    slept, _, polled = rests(BROKEN, GOOD, sleep=forever)
    assert polled == [0]
    assert slept[0] == 1


def test_failed_attempt_knows_whether_the_machine_was_it(play, one_node):
    words = "[Errno 28] No space left on device"
    kinds = {"theirs": "no face was found.", "ours": words, "after": "no face was found."}
    rested = []

    async def act(server, shift):
        async def sleep(seconds):
            rested.append((seconds, len(server.ended)))

        shift._sleep = sleep
        for run, text in kinds.items():
            server.add({"7": one_node("Raise", text=text, kind="OSError")}, run)
        await server.until(lambda: len(server.ended) == len(kinds))
        assert rested == [(0.1, 2)]

    play(act)


def refused(status, code):
    error = RefusedError("no.")
    error.status, error.code = status, code
    return error


@pytest.mark.parametrize(
    ("error", "fault", "code"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "worker", "disk_full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "worker", "disk_full"),
        (OSError(errno.EIO, "at /home/somebody"), "worker", "internal"),
        (AwayError("the store is away."), "worker", "store_away"),
        (refused(410, "gone"), "worker", "protocol"),
        (refused(422, "hash_mismatch"), "worker", "protocol"),
        (refused(413, "storage_full"), "workflow", "storage_full"),
        (refused(413, ""), "workflow", "too_large"),
        (refused(422, "invalid"), "workflow", "invalid"),
        (KeyError("secret"), "worker", "internal"),
        (WorkflowError("refused", "no."), "workflow", "refused"),
        (WorkerError("fenced", "no."), "worker", "fenced"),
    ],
)
def test_blame_is_the_machine_s_unless_the_workflow_is_named(error, fault, code):
    found = blame.failure(error)
    assert (found.fault, found.code) == (fault, code)
    assert not any(word in str(found) for word in ("secret", "somebody"))


@pytest.mark.parametrize("word", ["output", "complete"])
def test_what_is_too_large_for_the_server_ends_the_run_and_needs_no_rest(play, work, word):
    rested = []

    async def act(server, shift):
        async def sleep(seconds):
            rested.append(seconds)

        shift._sleep = sleep
        server.faults[word] = [413]
        server.add(work(0.1), "r1")
        server.add(work(0.1), "r2")
        await server.until(lambda: len(server.ended) == 2)
        assert rested == []

    server, shift = play(act)
    [end] = server.ended["r1"]
    assert (end["end"], end["fault"]) == ("fail", "workflow")
    assert server.ended["r2"][0]["end"] == "complete"
    assert shift.ends[:2] == ["failed", "completed"]


@pytest.mark.parametrize(
    ("status", "is_ending", "fault"),
    [
        ({"status_str": "success"}, False, None),
        ({}, False, "worker"),
        ({}, True, None),
        ({"status_str": "error", "messages": [["execution_interrupted", {}]]}, False, "worker"),
        ({"status_str": "error", "messages": [["execution_interrupted", {}]]}, True, None),
        ({"messages": [["execution_error", {"exception_message": "no."}]]}, True, "workflow"),
        (
            {"messages": [["execution_error", {"exception_message": "Disk quota exceeded"}]]},
            False,
            "worker",
        ),
        ({"messages": [["execution_error", {"exception_type": "MemoryError"}]]}, False, "workflow"),
    ],
)
def test_history_tells_whose_fault_it_was(status, is_ending, fault):
    found = None
    try:
        blame.require_success({"status": status}, is_ending=is_ending)
    except (WorkerError, WorkflowError) as error:
        found = error.fault
    assert found == fault
