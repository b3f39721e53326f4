"""Attack 18 and 6.B: what ComfyUI sees and can do where bubblewrap works."""

import json
import os
import subprocess
import sys

import pytest
from dressform.comfyui import sandbox

pytestmark = pytest.mark.outside  # not every container may make namespaces


@pytest.fixture
def bwrap(need):
    found = sandbox.bubblewrap()
    if not found:
        need("a bubblewrap that works", "On Debian and Ubuntu: apt-get install bubblewrap")
    return found


PROBE = """
import json, os, sys
from pathlib import Path
base, secret, code, cache = map(Path, sys.argv[1:])

def can_write(path):
    try:
        path.write_text("x")
        return True
    except OSError:
        return False

def can_replace(name):
    try:
        (base / name).rename(base / "old")
        (base / name).symlink_to(code)
        return True
    except OSError:
        return False

print(json.dumps({
    "replaced": [name for name in ("input", "output", "temp", "models") if can_replace(name)],
    "secret": secret.exists(),
    "cache": cache.exists(),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "own": can_write(base / "output" / "a"),
    "models": can_write(base / "models" / "loras" / "a"),
    "nodes": can_write(base / "custom_nodes" / "a.py"),
    "code": can_write(code / "evil.py"),
    "etc": can_write(Path("/etc/evil")),
    "weights": (base / "models" / "loras" / "mine.safetensors").read_text(),
}))
"""


def test_attack_18_child_sees_and_writes_nothing_but_its_own(bwrap, tmp_path):
    data, code = tmp_path / "data", tmp_path / "comfyui"
    base, cache = data / "comfyui", data / "models"
    for name in sandbox.WRITABLE:
        (base / name).mkdir(parents=True)
    for folder in (base / "models" / "loras", base / "custom_nodes", code, cache):
        folder.mkdir(parents=True)
    secret = data / "secret"
    secret.write_text("key")
    (cache / "other.safetensors").write_text("theirs")
    (code / "probe.py").write_text(PROBE)
    (cache / "mine.safetensors").write_text("mine")
    words = sandbox.words(bwrap, code, base, [])
    # Weights that are shown while it runs are seen as well: they are a second name.
    os.link(cache / "mine.safetensors", base / "models" / "loras" / "mine.safetensors")
    told = [str(base), str(secret), str(code), str(cache)]
    done = subprocess.run(
        [*words, sys.executable, str(code / "probe.py"), *told],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert json.loads(done.stdout) == {
        "secret": False,
        "cache": False,
        "processes": 2,
        "own": True,
        "replaced": [],
        "models": False,
        "nodes": False,
        "code": False,
        "etc": False,
        "weights": "mine",
    }


def test_packages_of_the_user_are_seen_though_homes_are_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox.site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(sandbox.site, "getusersitepackages", lambda: str(tmp_path / "site"))
    monkeypatch.setattr(sandbox, "HIDDEN", (str(tmp_path),))
    (tmp_path / "site").mkdir()
    words = sandbox.words("bwrap", tmp_path / "code", tmp_path / "data" / "comfyui", [])
    hidden, shown = words.index(str(tmp_path)), words.index(str(tmp_path / "site"))
    assert (words[hidden - 1], words[shown - 1]) == ("--tmpfs", "--ro-bind")
    assert hidden < shown


def test_file_of_the_key_is_empty_for_the_child(bwrap, tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "HIDDEN", ())  # below one of them everything is
    base, code = tmp_path / "data" / "comfyui", tmp_path / "code"
    for folder in (base, code):
        folder.mkdir(parents=True)
    key, other = tmp_path / "worker.key", tmp_path / "other"
    key.write_text("secret")
    other.symlink_to(key)

    def read(*secrets):
        words = sandbox.words(bwrap, code, base, [], secrets)
        command = [*words, "/bin/cat", str(key), str(other)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert read() == "secretsecret"
    assert read(other) == ""
    assert read(key) == ""


def test_run_works_in_the_sandbox_and_its_child_is_killed_whole(bwrap, play, work, running):
    pids = []

    async def act(server, shift):
        server.add(work(0.3), "r1")
        server.add(work(60.0), "r2", tenant="b")
        await server.until(lambda: "r1" in server.ended)
        await server.until(lambda: any(b["gpu_ms"] > 900 for b in server.bodies("heartbeat")))
        pids.append(shift.child.pid)
        server.gone = True
        await server.until(lambda: not running(pids[0]))

    server, shift = play(act, bwrap=bwrap, lease_s=3.0)
    assert server.ended["r1"][0]["end"] == "complete"
    assert shift.ends[0] == "completed"
