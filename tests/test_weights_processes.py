"""`dressform weights` in processes of its own: their environment, their end, their disk."""

import json
import os
import subprocess
import sys
import time

import pytest
from dressform.inference import weights

# With a manifest of its own.
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
def manifest(served, tmp_path):
    """A weights.json with one entry, of the simulator's repository; returns a function."""

    def write(*files):
        told = json.loads(weights.MANIFEST.read_text(encoding="utf-8"))["sdxl-base"]
        del told["files"]
        named = [{"path": f.path, "bytes": f.size_bytes, "sha256": f.sha256} for f in files]
        told = {**told, "source": served.SOURCE, "revision": served.COMMIT, "files": named}
        path = tmp_path / "weights.json"
        path.write_text(json.dumps({"tiny": told}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def start(served, manifest, tmp_path):
    """Returns a function that starts `dressform weights get tiny` beside this process."""
    children = []

    def run(*more, files=("config.json", "net/model.safetensors"), before=(), **variables):
        path = manifest(*map(served.listed, files))
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


def test_hf_endpoint_names_the_hub_that_is_asked(served, start, tmp_path):
    status, told = ended(start())
    assert (status, "tiny is whole" in told) == (0, True)
    assert {name for name, _ in served.asked} == {"config.json", "net/model.safetensors"}
    assert weights_file(tmp_path).read_bytes() == served.CONTENT["net/model.safetensors"]


def test_hf_hub_offline_forbids_every_request_but_not_a_folder(served, start, tmp_path):
    status, told = ended(start(HF_HUB_OFFLINE="1"))
    assert status == 1
    assert (
        f"HF_HUB_OFFLINE forbids to fetch {served.SOURCE}. Unset it, or take the files from" in told
    )
    status, told = ended(start("--from", served.carried(tmp_path / "usb"), HF_HUB_OFFLINE="1"))
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
    assert served.asked_from() >= 50_000
    assert weights_file(tmp_path).read_bytes() == served.CONTENT["net/model.safetensors"]
    assert not list((tmp_path / "w").rglob("*.part"))


def test_pickle_in_the_manifest_is_refused_before_anything_is_asked(served, start):
    status, told = ended(start(files=("config.json", "net/model.bin")))
    assert status == 1
    assert "got 'net/model.bin'. Other kinds may hold programs; ask the makers" in told
    assert served.requests == 0


@pytest.mark.skipif(os.name == "nt", reason="the shell's limit on the size of files is needed")
def test_hub_file_that_the_disk_does_not_take_is_told_and_gone_on_with(served, start, tmp_path):
    # In units of 1024 bytes; the file has 100.
    status, told = ended(start(before=("bash", "-c", 'ulimit -f 60; exec "$@"', "bash")))
    assert status == 1
    assert "File too large. Check the path, the rights and the space on the disk." in told
    assert weights.UNFINISHED in os.listdir(tmp_path / "w" / "tiny")
    served.asked.clear()
    assert ended(start())[0] == 0
    assert served.asked_from() >= 50_000


def test_two_processes_at_once_do_not_spoil_the_file(served, start, tmp_path):
    served.hold_after = 60_000
    first, second = start(), start()
    deadline = time.monotonic() + 120
    while served.requests < 8:  # each has listed the files and looked at them, one has begun
        assert time.monotonic() < deadline
        time.sleep(0.1)
    served.hold_after = None
    served.released.set()
    both = [ended(one) for one in (first, second)]
    assert [status for status, _ in both] == [0, 0], both
    assert weights_file(tmp_path).read_bytes() == served.CONTENT["net/model.safetensors"]
