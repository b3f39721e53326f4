"""Two runs at once in one clone."""

import os
import subprocess
import sys
import threading
import time

import pytest
from dressform.comfyui import environment, lock, session, source

HOLDER = """
import pathlib, sys, time
from dressform.comfyui import lock
with lock.held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock, and the lock's path."""
    path = tmp_path / "cache" / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        yield child, path
        child.kill()


def test_second_process_waits_until_the_first_ends_however_it_ends(holder):
    child, path = holder
    waited = []

    def stop():
        waited.append(time.monotonic())
        threading.Timer(0.3, child.kill).start()

    with lock.held(path, stop):
        assert time.monotonic() - waited[0] >= 0.3
    assert len(waited) == 1


def test_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(KeyError), lock.held(tmp_path / "lock"):
        raise KeyError
    with lock.held(tmp_path / "lock", lambda: pytest.fail("still held")):
        pass


def test_without_a_place_for_the_lock_the_work_is_done(tmp_path):
    (tmp_path / "file").touch()
    done = []
    with lock.held(tmp_path / "file" / "lock"):
        done.append(1)
    assert done == [1]


def test_full_block_error_is_not_swallowed(tmp_path):
    with pytest.raises(OSError, match="of the block"), lock.held(tmp_path / "lock"):
        raise OSError("of the block")


def test_installations_do_not_meet(holder, monkeypatch):
    child, path = holder
    tree, steps = path.parent, []
    monkeypatch.setattr(session, "LOCK", path)
    monkeypatch.setattr(source, "locate", lambda: tree)
    monkeypatch.setattr(source, "locate_or_fetch", lambda notify: tree)
    monkeypatch.setattr(environment, "is_ready", lambda tree: False)
    monkeypatch.setattr(environment, "ensure", lambda *rest: steps.append(child.poll()))

    def notify(text):
        steps.append(text)
        child.kill()

    assert session.prepare(notify) == tree
    assert steps[0] == "Waiting for another run, which gets ComfyUI ready"
    assert steps[1] is not None, "installed while the other process was at it"


def test_what_is_ready_needs_no_lock(holder, monkeypatch):
    monkeypatch.setattr(session, "LOCK", holder[1])
    monkeypatch.setattr(source, "locate", lambda: holder[1].parent)
    monkeypatch.setattr(environment, "is_ready", lambda tree: True)
    assert session.prepare(pytest.fail) == holder[1].parent


def test_tree_that_another_run_placed_meanwhile_is_kept(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for tree in (ours, theirs):
        tree.mkdir()
        (tree / "main.py").write_text(tree.name, encoding="utf-8")
    before = os.stat(theirs).st_ino
    source._place(ours, theirs)
    assert (theirs / "main.py").read_text(encoding="utf-8") == "theirs"
    assert os.stat(theirs).st_ino == before
