"""Starting and stopping: a real server, and stand-in programs for starts that fail."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from dressform.comfyui import launch, server, session
from dressform.comfyui.server import Server

# Of the pack, by ComfyUI's own log, on any machine; the bar of 0.3 s is bench/startup.py's.
IMPORT_LIMIT_S = 2.0

ANSWERS = """
import http.server, subprocess, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("grandchild", child.pid, flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def program(tmp_path):
    """Returns a function that makes a folder with a main.py of the given text."""

    def write(text):
        folder = tmp_path / "comfyui"
        folder.mkdir()
        (folder / "main.py").write_text(text, encoding="utf-8")
        (folder / "requirements.txt").write_text("", encoding="utf-8")
        return folder

    return write


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"
    if not os.path.exists(stat):
        return True
    with open(stat, encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def wait_until(holds, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def grandchild(log):
    return int(log.partition("grandchild ")[2].split()[0])


@pytest.mark.comfyui
def test_server_imports_this_pack_quickly(comfyui):
    assert comfyui.import_failures() == []
    assert comfyui.import_seconds(session.PACK) <= IMPORT_LIMIT_S


@pytest.mark.comfyui
def test_server_answers(comfyui):
    with urllib.request.urlopen(comfyui.url + "/system_stats", timeout=10) as answer:  # noqa: S310
        assert answer.status == 200


def test_end_at_the_start_shows_the_last_lines_of_the_log(program):
    folder = program("import sys\nprint('torch is broken')\nsys.exit(1)")
    with pytest.raises(RuntimeError, match=r"(?s)an end with status 1.*doctor.*torch is broken"):
        Server(folder).start()


def test_no_answer_in_time_is_told_and_stopped(program):
    started = Server(
        program("import time\nprint('slow', flush=True)\ntime.sleep(600)"), timeout_s=2
    )
    with pytest.raises(RuntimeError, match=r"no answer on port \d+ after 2 s"):
        started.start()
    assert started._child is None


def test_taken_port_is_told_before_anything_starts(program):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RuntimeError, match=rf"port {port} must be free.*Stop the program"):
            Server(program("raise SystemExit(3)"), port=port).start()


def test_free_port_that_is_taken_meanwhile_is_replaced(program, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = [other.getsockname()[1], server.free_port()]
        monkeypatch.setattr(server, "free_port", lambda: ports.pop(0))
        # The taken port answers nothing, and the program ends for it.
        with Server(program(ANSWERS)) as started:
            assert ports == []
            assert started.url


@pytest.mark.skipif(os.name == "nt", reason="asks for process groups. Run it on Linux or macOS.")
def test_stop_ends_the_whole_group_and_cleans_up(program):
    with Server(program(ANSWERS)) as started:
        child, pid = started._child.pid, grandchild(started.log())
        assert is_running(child)
        assert is_running(pid)
    assert wait_until(lambda: not is_running(child) and not is_running(pid))
    assert not started.base.exists()


@pytest.mark.skipif(os.name == "nt", reason="asks for process groups. Run it on Linux or macOS.")
def test_child_that_ignores_the_request_is_killed(program, monkeypatch):
    monkeypatch.setattr(server, "STOP_TIMEOUT_S", 0.5)
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ANSWERS
    with Server(program(stubborn)) as started:
        child = started._child.pid
    assert wait_until(lambda: not is_running(child))


@pytest.mark.skipif(os.name == "nt", reason="asks for SIGKILL. Run it on Linux or macOS.")
def test_killed_parent_leaves_nothing(program):
    folder = program(ANSWERS)
    code = (
        "import pathlib, sys, time\n"
        "from dressform.comfyui.server import Server\n"
        "s = Server(pathlib.Path(sys.argv[1])).start()\n"
        "print(s._child.pid, s.log().split()[1], flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        child, pid = map(int, parent.stdout.readline().split())
        assert is_running(child)
        parent.kill()
    assert wait_until(lambda: not is_running(child) and not is_running(pid))


def test_two_starts_do_not_meet(program):
    folder = program(ANSWERS)
    with Server(folder) as first, Server(folder) as second:
        assert first.url != second.url
        assert first.base != second.base


def test_pack_is_linked_under_its_own_name(program, tmp_path):
    pack = tmp_path / "my pack-1.0"
    pack.mkdir()
    (pack / "__init__.py").touch()
    with Server(program(ANSWERS), packs=[pack]) as started:
        assert (started.base / "custom_nodes" / "my pack-1.0" / "__init__.py").is_file()
    assert (pack / "__init__.py").is_file()


def test_pack_is_copied_where_links_are_refused(program, tmp_path, monkeypatch):
    pack = tmp_path / "pack"
    (pack / ".venv").mkdir(parents=True)
    (pack / "__init__.py").touch()

    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr(server, "link", refuse)
    with Server(program(ANSWERS), packs=[pack]) as started:
        copy = started.base / "custom_nodes" / "pack"
        assert not copy.is_symlink()
        assert [path.name for path in copy.iterdir()] == ["__init__.py"]


def test_log_tells_what_failed_to_import_and_how_long_the_rest_took(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "\x1b[32m[INFO]\x1b[0m    0.2 seconds: /base/custom_nodes/good\n"
        "\x1b[32m[INFO]\x1b[0m    1.5 seconds (IMPORT FAILED): /base/custom_nodes/bad\n",
        encoding="utf-8",
    )
    read = Server(tmp_path, base=tmp_path, log_path=log)
    assert read.import_seconds(tmp_path / "good") == 0.2
    assert len(read.import_failures()) == 1


@pytest.mark.skipif(os.name == "nt", reason="asks for process groups. Run it on Linux or macOS.")
def test_child_whose_lease_is_over_ends_its_whole_group(program):
    with Server(program(ANSWERS)) as started:
        child, pid = started._child.pid, grandchild(started.log())
        started.lease(3.0)
        time.sleep(1.7)
        started.lease(3.0)
        time.sleep(1.7)
        assert started.pid == child  # it was renewed in time
        assert wait_until(lambda: not is_running(child) and not is_running(pid), 15)
        assert started.pid is None
        started.lease(1.0)  # nobody is there to take it


def test_child_whose_lease_was_taken_back_lives_on(program):
    with Server(program(ANSWERS)) as started:
        started.lease(1.5)
        started.lease(None)
        time.sleep(2.0)
        assert started.pid


def test_lease_takes_two_words_and_nothing_else():
    lease = launch.Lease()
    for line in (b"", b"lease", b"lease soon", b"\xff", b"rest"):
        lease.take(line, now=10)
        assert not lease.is_over(now=1e9)
    lease.take(b"lease 2.5\r", now=10)
    assert not lease.is_over(now=12)
    assert lease.is_over(now=13)


@pytest.mark.skipif(os.name == "nt", reason="asks for process groups. Run it on Linux or macOS.")
def test_kill_ends_the_whole_group_at_once(program):
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ANSWERS
    with Server(program(stubborn)) as started:
        child, pid = started._child.pid, grandchild(started.log())
        started.kill()
        assert wait_until(lambda: not is_running(child) and not is_running(pid))


def test_child_has_the_given_environment_and_no_other(program, monkeypatch):
    monkeypatch.setenv("DRESSFORM_SECRET", "key")
    shown = "import os\nprint('holds', sorted(os.environ), flush=True)\n" + ANSWERS
    with Server(program(shown), variables={"PATH": os.environ["PATH"], "KEPT": "1"}) as started:
        line = next(line for line in started.log().splitlines() if line.startswith("holds"))
        assert "KEPT" in line
        assert "DRESSFORM_SECRET" not in line
