"""`dressform weights` against a small simulator of the hub on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dressform import cli, weights_command
from dressform.inference import downloads, weights
from dressform.inference.weights import File

SOURCE, COMMIT = "makers/tiny", "a" * 40
CONTENT = {
    "config.json": b"{}",
    "net/model.safetensors": bytes(range(256)) * 400,
    "net/model.bin": b"pickle",
}


class Hub:
    """Answers as the hub does for one repository; faults are switched on by the tests."""

    def __init__(self):
        self.files = dict(CONTENT)
        self.gated = False
        self.cut_after = None  # bytes after which a transfer breaks
        self.hold_after = None  # bytes after which a transfer stands still
        self.asked = []  # (path, Range)
        self.requests = 0
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                outer.answer(self, body=False)

            def do_GET(self):
                outer.answer(self, body=True)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, body):
        self.requests += 1
        path = handler.path.split("?")[0]
        if path.startswith(f"/api/models/{SOURCE}/tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
            return self.send(handler, 200, json.dumps(listed).encode(), body)
        name = path.removeprefix(f"/{SOURCE}/resolve/{COMMIT}/")
        if name not in self.files:
            return self.send(handler, 404, b"", body, {"X-Error-Code": "EntryNotFound"})
        if self.gated:
            return self.send(handler, 403, b"", body, {"X-Error-Code": "GatedRepo"})
        data, start = self.files[name], 0
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}  # noqa: S324
        asked = handler.headers.get("Range")
        if body:
            self.asked.append((name, asked))
        if asked and body:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send(handler, 206 if start else 200, data[start:], body, headers)

    def send(self, handler, status, data, body, headers=()):
        handler.send_response(status)
        for name, value in dict(headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if body and self.cut_after is not None and len(data) > self.cut_after:
            handler.wfile.write(data[: self.cut_after])
            handler.wfile.flush()
            handler.connection.close()
        elif body and self.hold_after is not None and len(data) > self.hold_after:
            handler.wfile.write(data[: self.hold_after])
            handler.wfile.flush()
            self.released.wait(60)
        elif body:
            handler.wfile.write(data)


@pytest.fixture
def served():
    hub = Hub()
    yield hub
    hub.released.set()
    hub.server.shutdown()
    hub.server.server_close()


@pytest.fixture
def hub(served, monkeypatch):
    """The same, as if HF_ENDPOINT had named it when this process began."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", served.url)
    for name in ("HUGGINGFACE_CO_URL_TEMPLATE",):
        template = getattr(constants, name)
        monkeypatch.setattr(constants, name, served.url + template[template.index("/{repo_id}") :])
    return served


def listed(name):
    data = CONTENT[name]
    return File(name, hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture
def tiny(monkeypatch):
    """One entry, of the simulator's repository."""
    entry = weights.entry("sdxl-base")._replace(
        id="tiny",
        name="Tiny",
        source=SOURCE,
        revision=COMMIT,
        about_bytes=None,
        files=(listed("config.json"), listed("net/model.safetensors")),
    )
    known = {"tiny": entry}
    monkeypatch.setattr(weights, "entries", lambda: known)
    return known


def run(*arguments):
    return cli.main(["weights", *map(str, arguments)])


def test_weights_are_fetched_checked_and_found(hub, tiny, tmp_path, capsys):
    assert run("path", "tiny", "--to", tmp_path) == 1
    assert "dressform weights get tiny" in capsys.readouterr().err
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 0
    told = capsys.readouterr().out
    assert "CreativeML Open RAIL++-M" in told
    assert "0.00 GB in 2 files" in told
    assert told.index("licence") < told.index("is whole")
    assert run("path", "tiny", "--to", tmp_path) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "tiny")
    assert run("verify", "--to", tmp_path) == 0
    assert {name for name, _ in hub.asked} == {"config.json", "net/model.safetensors"}
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == [
        downloads.RECORD,
        "config.json",
        "net",
    ]


def test_without_consent_nothing_is_fetched(hub, tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(weights_command, "agreed_on_terminal", lambda: False)
    assert run("get", "tiny", "--to", tmp_path) == 1
    assert "was not fetched. Add --yes" in capsys.readouterr().err
    assert hub.asked == []
    assert not (tmp_path / "tiny").exists()


def test_interrupted_transfer_goes_on_where_it_broke(hub, tiny, tmp_path, capsys, monkeypatch):
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)  # what came is written at once
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    begun = tmp_path / "tiny"
    begun.mkdir()
    (begun / weights.UNFINISHED).touch()
    assert weights.find("tiny", [tmp_path]) is None
    assert "the download is not finished" in weights.missing("tiny", [tmp_path])
    hub.cut_after = 30_000
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 0
    starts = [asked for name, asked in hub.asked if name.endswith("safetensors") and asked]
    assert starts, "the rest must be asked for, not the whole"
    assert (begun / "net" / "model.safetensors").read_bytes() == CONTENT["net/model.safetensors"]


def test_wrong_content_is_removed_and_told(hub, tiny, tmp_path, capsys):
    data = hub.files["net/model.safetensors"]
    hub.files["net/model.safetensors"] = b"x" + data[1:]
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 1
    assert "must have the SHA-256" in capsys.readouterr().err
    assert not (tmp_path / "tiny" / "net" / "model.safetensors").exists()
    assert weights.find("tiny", [tmp_path]) is None
    hub.files["net/model.safetensors"] = data


def test_other_size_is_refused_before_anything_is_fetched(hub, tiny, tmp_path, capsys):
    hub.files["net/model.safetensors"] += b"more"
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 1
    assert "must have net/model.safetensors of 102400 bytes" in capsys.readouterr().err
    assert hub.asked == []


def test_gated_weights_say_how_to_get_access(hub, tiny, tmp_path, capsys):
    hub.gated = True
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 1
    told = capsys.readouterr().err
    assert "hf auth login" in told
    assert f"https://huggingface.co/{SOURCE}" in told


def test_full_disk_is_told_before_the_transfer(hub, tiny, tmp_path, capsys, monkeypatch):
    full = type("Usage", (), {"free": 10})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda place: full)
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 1
    assert "GB must be free at" in capsys.readouterr().err
    assert hub.asked == []


def carried(folder):
    """Writes what the hub has into a folder and returns it."""
    for name, data in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_folder_takes_the_place_of_the_hub(tiny, tmp_path, capsys):
    carried(tmp_path / "usb" / "tiny")
    arguments = ("get", "tiny", "--to", tmp_path / "w", "--from", tmp_path / "usb", "--yes")
    assert run(*arguments) == 0
    assert weights.find("tiny", [tmp_path / "w"]) == tmp_path / "w" / "tiny"
    assert not (tmp_path / "w" / "tiny" / "net" / "model.bin").exists()
    assert run(*arguments) == 0
    assert "is there" in capsys.readouterr().out


def test_folder_that_lacks_files_is_told(tiny, tmp_path, capsys):
    (tmp_path / "usb").mkdir()
    assert run("get", "tiny", "--to", tmp_path, "--from", tmp_path / "usb", "--yes") == 1
    assert "got none of config.json, net/model.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    "path",
    ["../../evil.json", "/etc/x.json", "a\\b.json", "C:x.json", "net/model.bin", "a.ckpt", "x"],
)
def test_file_that_could_do_harm_is_refused(tiny, tmp_path, path):
    entry = tiny["tiny"]._replace(files=(File(path),))
    with pytest.raises(ValueError, match="a file must"):
        downloads.plan(entry, tmp_path)


def test_changed_file_is_found_by_verify(tiny, tmp_path, capsys):
    test_folder_takes_the_place_of_the_hub(tiny, tmp_path, capsys)
    file = tmp_path / "w" / "tiny" / "config.json"
    file.write_bytes(b"[]")
    assert run("verify", "tiny", "--to", tmp_path / "w") == 1
    assert "config.json must have the SHA-256" in capsys.readouterr().out


def test_list_names_every_entry_with_licence_and_size(capsys, tmp_path):
    assert run("list", "--to", tmp_path) == 0
    told = capsys.readouterr().out
    for one in weights.entries().values():
        assert one.id in told
        assert one.licence in told


def test_unknown_id_is_told(capsys, tmp_path):
    assert run("get", "nothing", "--to", tmp_path, "--yes") == 1
    assert "weights must be one of flux2-klein-4b" in capsys.readouterr().err


def test_comfyui_that_is_named_gets_the_weights(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    assert weights_command.places()[0] == tmp_path / "models" / "dressform"
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "mine"))
    assert weights_command.places()[0] == Path(tmp_path / "mine")


# `dressform weights` in a process of its own, with a manifest of its own.
PROGRAM = """
import sys
from pathlib import Path
from huggingface_hub import constants
from dressform import cli
from dressform.inference import weights

constants.DOWNLOAD_CHUNK_SIZE = 4096  # what came is written at once
weights.MANIFEST = Path(sys.argv[1])
sys.exit(cli.main(["weights", *sys.argv[2:]]))
"""


@pytest.fixture
def manifest(tmp_path):
    """A weights.json with one entry, of the simulator's repository; returns a function."""

    def write(*files):
        told = json.loads(weights.MANIFEST.read_text(encoding="utf-8"))["sdxl-base"]
        del told["files"]
        named = [{"path": f.path, "bytes": f.size_bytes, "sha256": f.sha256} for f in files]
        told = {**told, "source": SOURCE, "revision": COMMIT, "files": named}
        path = tmp_path / "weights.json"
        path.write_text(json.dumps({"tiny": told}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def start(served, manifest, tmp_path):
    """Returns a function that starts `dressform weights get tiny` beside this process."""
    children = []

    def run(*more, files=("config.json", "net/model.safetensors"), before=(), **variables):
        path = manifest(*map(listed, files))
        told = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": served.url}
        told.pop("HF_HUB_OFFLINE", None)
        command = [sys.executable, "-c", PROGRAM, path, "get", "tiny", "--to", tmp_path / "w"]
        children.append(
            subprocess.Popen(
                [*before, *map(str, command), "--yes", *more],
                env={**told, **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return children[-1]

    yield run
    for child in children:
        child.kill()
        child.communicate()


def ended(child):
    """Exit status, and all that it said to its user."""
    said, complained = child.communicate(timeout=300)
    assert "Traceback" not in complained
    return child.returncode, said + complained


def weights_file(tmp_path):
    return tmp_path / "w" / "tiny" / "net" / "model.safetensors"


def asked_from(served):
    """The byte from which the weights were asked for."""
    [asked] = [asked for name, asked in served.asked if name.endswith("safetensors")]
    return int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0


def test_hf_endpoint_names_the_hub_that_is_asked(served, start, tmp_path):
    status, told = ended(start())
    assert (status, "tiny is whole" in told) == (0, True)
    assert {name for name, _ in served.asked} == {"config.json", "net/model.safetensors"}
    assert weights_file(tmp_path).read_bytes() == CONTENT["net/model.safetensors"]


def test_hf_hub_offline_forbids_every_request_but_not_a_folder(served, start, tmp_path):
    status, told = ended(start(HF_HUB_OFFLINE="1"))
    assert status == 1
    assert f"HF_HUB_OFFLINE forbids to fetch {SOURCE}. Unset it, or take the files from" in told
    status, told = ended(start("--from", carried(tmp_path / "usb"), HF_HUB_OFFLINE="1"))
    assert (status, "tiny is whole" in told) == (0, True)
    assert served.requests == 0


def test_killed_transfer_goes_on_where_it_broke(served, start, tmp_path):
    served.hold_after = 60_000
    child = start()
    deadline = time.monotonic() + 120
    while not any(one.stat().st_size >= 50_000 for one in (tmp_path / "w").rglob("*.part")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child.kill()
    child.wait()
    assert not weights_file(tmp_path).exists()
    served.hold_after = None
    served.released.set()
    served.asked.clear()
    assert ended(start())[0] == 0
    assert asked_from(served) >= 50_000
    assert weights_file(tmp_path).read_bytes() == CONTENT["net/model.safetensors"]
    assert not list((tmp_path / "w").rglob("*.part"))


def test_partial_file_of_another_commit_is_not_gone_on_with(hub, tiny, tmp_path):
    net = tmp_path / "tiny" / "net"
    net.mkdir(parents=True)
    (net / f"model.safetensors.{'b' * 12}.part").write_bytes(b"old" * 100)
    (net / f"model.safetensors.{'a' * 12}.part").write_bytes(b"x" * (10**6))  # more than there is
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 0
    assert asked_from(hub) == 0
    assert [path.name for path in net.iterdir()] == ["model.safetensors"]


def test_pickle_in_the_manifest_is_refused_before_anything_is_asked(served, start):
    status, told = ended(start(files=("config.json", "net/model.bin")))
    assert status == 1
    assert "got 'net/model.bin'. Other kinds may hold programs; ask the makers" in told
    assert served.requests == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk always full")
def test_disk_that_fills_up_on_the_way_is_told(tiny, tmp_path, capsys):
    source = carried(tmp_path / "usb")
    partial = tmp_path / "w" / "tiny" / "net" / "model.safetensors.part"
    partial.parent.mkdir(parents=True)
    partial.symlink_to("/dev/full")
    arguments = ("get", "tiny", "--to", tmp_path / "w", "--from", source, "--yes")
    assert run(*arguments) == 1
    told = capsys.readouterr().err
    assert "No space left on device. Free some space on the disk, then run it again." in told
    assert weights.find("tiny", [tmp_path / "w"]) is None
    partial.unlink()
    assert run(*arguments) == 0


@pytest.mark.skipif(os.name == "nt", reason="the shell's limit on the size of files is needed")
def test_hub_file_that_the_disk_does_not_take_is_told_and_gone_on_with(served, start, tmp_path):
    # In units of 1024 bytes; the file has 100.
    status, told = ended(start(before=("bash", "-c", 'ulimit -f 60; exec "$@"', "bash")))
    assert status == 1
    assert "File too large. Check the path, the rights and the space on the disk." in told
    assert weights.UNFINISHED in os.listdir(tmp_path / "w" / "tiny")
    served.asked.clear()
    assert ended(start())[0] == 0
    assert asked_from(served) >= 50_000
