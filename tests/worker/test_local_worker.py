"""The worker beside a server: how its keeper starts it, and what it is refused."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from dressform import local_worker
from dressform.comfyui import sandbox


@pytest.fixture
def said():
    return []


@pytest.fixture
def keeper(tmp_path, said):
    told = ("http://127.0.0.1:1", tmp_path / "key", tmp_path / "worker")
    return local_worker.Keeper(*told, sandbox="on", price=said.append, say=said.append)


def wait(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pause_between_starts_grows(keeper, said, monkeypatch):
    monkeypatch.setattr(keeper, "_follow", lambda *_: 1)
    monkeypatch.setattr(local_worker, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(local_worker, "LONGEST_PAUSE_S", 0.1)
    seen = []
    monkeypatch.setattr(keeper._stopped, "wait", lambda s: (seen.append(s), time.sleep(0.01)))
    keeper.start()
    wait(lambda: len(seen) > 5)
    keeper.stop()
    assert seen[:5] == [0.02, 0.04, 0.08, 0.1, 0.1]
    assert said[0] == "worker: no ComfyUI could be got ready (status 1). Starting again in 0 s."


def test_class_of_the_machine_is_priced_before_the_worker_starts(keeper, said, monkeypatch):
    monkeypatch.setattr(local_worker.environment, "sees_cuda", lambda: True)
    device = {"device": "NVIDIA H100 80GB HBM3"}
    monkeypatch.setattr(local_worker.environment, "probe", lambda: device)
    calls = []
    monkeypatch.setattr(keeper, "_follow", lambda *told: (calls.append((told, [*said])), 0)[1])
    assert keeper._work() == "it ended with status 0."
    (prepared, _), (worked, priced) = calls
    assert prepared == ("comfyui", "--with-parent")
    assert worked[worked.index("--gpu-class") + 1] == "h100-80gb"
    assert worked[worked.index("--sandbox") + 1] == "on"
    assert priced == ["h100-80gb"]


def test_child_is_ended_with_its_keeper(keeper, said, monkeypatch, running):
    started, real = keeper._follow, subprocess.Popen
    shell = ["/bin/sh", "-c", "echo here; read -r _"]
    monkeypatch.setattr(local_worker.subprocess, "Popen", lambda _, **more: real(shell, **more))
    monkeypatch.setattr(keeper, "_work", lambda: str(started("worker")))
    keeper.start()
    wait(lambda: "worker: here" in said)
    pid = keeper.process.pid
    assert running(pid)
    keeper.stop()
    assert not running(pid)
    assert said == ["worker: here"]


@pytest.mark.skipif(os.name == "nt", reason="asks for signals. Run it on Linux or macOS.")
def test_command_ends_when_its_parent_is_gone():
    """Here while it waits for a ComfyUI that never comes."""
    program = """
import sys, time
from dressform import cli
from dressform.comfyui import session
session.prepare = lambda notify: time.sleep(600)
sys.exit(cli.main(sys.argv[1:]))
"""
    for command in (["comfyui"], ["worker", "--server", "http://127.0.0.1:1", "--key", "k"]):
        child = subprocess.Popen(
            [sys.executable, "-c", program, *command, "--with-parent"],
            stdin=subprocess.PIPE,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3)
        child.stdin.close()
        assert child.wait(20) == 143


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not offer it.")
def test_other_programs_cannot_read_the_worker_and_its_key_reaches_the_sandbox(tmp_path):
    program = """
import ctypes, pathlib, subprocess, sys
from dressform import cli
from dressform.comfyui import session
from dressform.worker import shift
ask = "import ctypes; print(ctypes.CDLL(None).prctl(3))"  # PR_GET_DUMPABLE
session.prepare = lambda notify: pathlib.Path("nowhere")
def run(options, say):
    print(*options.secrets, options.key, flush=True)
    exec(ask)
    subprocess.run([sys.executable, "-c", ask])
shift.run = run
sys.exit(cli.main(sys.argv[1:]))
"""
    (tmp_path / "worker.key").write_text("df_key")
    told = ["worker", "--server", "http://127.0.0.1:1", "--sandbox", "off"]
    command = [sys.executable, "-c", program, *told, f"--key=@{tmp_path}/worker.key"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-3:] == [f"{tmp_path}/worker.key df_key", "0", "1"]


def test_wrong_comfyui_is_told_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    nobody = SimpleNamespace()
    with pytest.raises(FileNotFoundError, match="COMFYUI_PATH must be a ComfyUI folder"):
        with local_worker.beside(nobody, "http://127.0.0.1:1", print):
            pass


@pytest.mark.outside  # not every container may make namespaces
def test_comfyui_beside_a_server_does_not_see_its_secrets(tmp_path, monkeypatch, need):
    if not (bwrap := sandbox.bubblewrap()):
        need("a bubblewrap that works", "On Debian and Ubuntu: apt-get install bubblewrap")
    data, code = tmp_path / "data", tmp_path / "code"
    base = data / "worker" / "comfyui"
    for folder in (base, code):
        folder.mkdir(parents=True)
    (data / "secret_key").write_text("secret")

    def seen():
        # Not below the folders that are hidden anyway, as tests are.
        monkeypatch.setattr(sandbox, "HIDDEN", ())
        words = sandbox.words(bwrap, code, base, [])
        command = [*words, "/bin/cat", str(data / "secret_key")]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert seen() == "secret"
    monkeypatch.setenv(sandbox.SERVER, str(data))
    assert seen() == ""


@pytest.mark.outside  # not every container may make namespaces
def test_data_inside_of_what_comfyui_sees_stays_hidden(tmp_path, monkeypatch, need):
    """As with `--data ./data` in a checkout, which is a pack, and weights in the data folder."""
    if not (bwrap := sandbox.bubblewrap()):
        need("a bubblewrap that works", "On Debian and Ubuntu: apt-get install bubblewrap")
    pack = tmp_path / "pack"
    data, weights = pack / "data", pack / "data" / "weights"
    base = data / "worker" / "comfyui"
    for folder in (base, weights):
        folder.mkdir(parents=True)
    names = {"code": pack / "a.py", "weights": weights / "a", "secret": data / "secret_key"}
    for file in (*names.values(), data / "worker" / "key"):
        file.write_text("here")
    monkeypatch.setenv(sandbox.SERVER, str(data))
    words = sandbox.words(bwrap, pack, base, [pack, weights])
    command = [*words, "/bin/ls", *map(str, names.values()), str(data / "worker")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert str(names["code"]) in done.stdout
    assert str(names["weights"]) in done.stdout
    assert str(names["secret"]) not in done.stdout
    assert done.stdout.split()[-1] == base.name  # and no key
