"""`dressform weights` against a small simulator of the hub on this machine."""

from pathlib import Path

import pytest
from dressform import cli, weights_command
from dressform.inference import downloads, weights
from dressform.inference.weights import File


@pytest.fixture
def hub(served, monkeypatch):
    """The same, as if HF_ENDPOINT had named it when this process began."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", served.url)
    for name in ("HUGGINGFACE_CO_URL_TEMPLATE",):
        template = getattr(constants, name)
        monkeypatch.setattr(constants, name, served.url + template[template.index("/{repo_id}") :])
    return served


@pytest.fixture
def tiny(served, monkeypatch):
    """One entry, of the simulator's repository."""
    entry = weights.entry("sdxl-base")._replace(
        id="tiny",
        name="Tiny",
        source=served.SOURCE,
        revision=served.COMMIT,
        about_bytes=None,
        files=(served.listed("config.json"), served.listed("net/model.safetensors")),
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
    assert (begun / "net" / "model.safetensors").read_bytes() == hub.files["net/model.safetensors"]


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
    assert f"https://huggingface.co/{hub.SOURCE}" in told


def test_full_disk_is_told_before_the_transfer(hub, tiny, tmp_path, capsys, monkeypatch):
    full = type("Usage", (), {"free": 10})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda place: full)
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 1
    assert "GB must be free at" in capsys.readouterr().err
    assert hub.asked == []


def test_folder_takes_the_place_of_the_hub(served, tiny, tmp_path, capsys):
    served.carried(tmp_path / "usb" / "tiny")
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


def test_changed_file_is_found_by_verify(served, tiny, tmp_path, capsys):
    test_folder_takes_the_place_of_the_hub(served, tiny, tmp_path, capsys)
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


def test_partial_file_of_another_commit_is_not_gone_on_with(hub, tiny, tmp_path):
    net = tmp_path / "tiny" / "net"
    net.mkdir(parents=True)
    (net / f"model.safetensors.{'b' * 12}.part").write_bytes(b"old" * 100)
    (net / f"model.safetensors.{'a' * 12}.part").write_bytes(b"x" * (10**6))  # more than there is
    assert run("get", "tiny", "--to", tmp_path, "--yes") == 0
    assert hub.asked_from() == 0
    assert [path.name for path in net.iterdir()] == ["model.safetensors"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk always full")
def test_disk_that_fills_up_on_the_way_is_told(served, tiny, tmp_path, capsys):
    source = served.carried(tmp_path / "usb")
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
