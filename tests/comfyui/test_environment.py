"""What is installed for ComfyUI, and what is kept."""

import subprocess
import sys

import pytest
from dressform.comfyui import environment, pinned


@pytest.fixture
def comfyui(tmp_path):
    (tmp_path / "requirements.txt").write_text("", encoding="utf-8")
    return tmp_path


@pytest.fixture
def stamp(monkeypatch, tmp_path):
    path = tmp_path / "stamp"
    monkeypatch.setattr(environment, "_stamp_path", lambda: path)
    return path


def test_nothing_there_installs_the_stock_three():
    assert environment.missing(dict.fromkeys(environment.TRIO)) == [list(pinned.TORCH)]


def test_torch_that_is_there_is_kept_and_completed():
    found = {"torch": "2.13.0+cpu", "torchvision": None, "torchaudio": None}
    assert environment.missing(found) == [
        ["--no-deps", "torchvision==0.28.*"],
        ["--no-deps", "torchaudio==2.11.*"],
    ]


def test_complete_environment_needs_nothing():
    assert environment.missing(dict.fromkeys(environment.TRIO, "2.0.0")) == []


def test_second_call_does_nothing(comfyui, stamp, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(environment, "version", lambda package: "2.14.1")
    monkeypatch.setattr(environment, "_pip", lambda arguments, log, notify: calls.append(arguments))
    monkeypatch.setattr(environment, "probe", dict)
    environment.ensure(comfyui, tmp_path / "log")
    assert calls == [["--requirement", str(comfyui / "requirements.txt")]]
    environment.ensure(comfyui, tmp_path / "log")
    assert len(calls) == 1


def test_changed_requirements_are_installed_again(comfyui, stamp, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "version", lambda package: "2.14.1")
    monkeypatch.setattr(environment, "_pip", lambda arguments, log, notify: None)
    monkeypatch.setattr(environment, "probe", dict)
    environment.ensure(comfyui, tmp_path / "log")
    assert environment.is_ready(comfyui)
    (comfyui / "requirements.txt").write_text("more", encoding="utf-8")
    assert not environment.is_ready(comfyui)


def test_tree_without_requirements_is_explained_even_after_another_was_ready(
    comfyui, stamp, tmp_path, monkeypatch
):
    stamp.write_text("of another tree", encoding="utf-8")
    monkeypatch.setattr(environment, "version", lambda package: "2.14.1")
    (comfyui / "requirements.txt").unlink()
    with pytest.raises(RuntimeError, match=r"must have a requirements\.txt, got none"):
        environment.ensure(comfyui, tmp_path / "log")


def test_failed_installation_is_not_taken_for_done(comfyui, stamp, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "version", lambda package: "2.14.1")
    (comfyui / "requirements.txt").write_text("no-such-file.whl", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"pip must be able to install .* pip's output: "):
        environment.ensure(comfyui, tmp_path / "log")
    assert not environment.is_ready(comfyui)
    assert (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("ERROR: [Errno 28] No space left on device", "need 8 GB in .*got a full disk"),
        ("error: externally-managed-environment", "must go into a virtual environment"),
        ("python: No module named pip", "-m ensurepip"),
        ("ERROR: No matching distribution found for x", "got: No matching distribution"),
    ],
)
def test_failure_of_pip_names_cause_and_next_step(monkeypatch, tmp_path, told, sentence):
    monkeypatch.setattr(environment, "_run", lambda command, log, notify: [told])
    with pytest.raises(RuntimeError, match=sentence):
        environment._pip(["x"], tmp_path / "log", print)


def test_torch_without_companions_is_explained(monkeypatch, tmp_path):
    told = "ERROR: No matching distribution found for torchvision==0.30.*"
    monkeypatch.setattr(environment, "_run", lambda command, log, notify: [told])
    monkeypatch.setattr(environment, "version", lambda package: "2.15.0")
    with pytest.raises(RuntimeError, match=r"torch 2\.15\.0 must .*torchvision==0\.30.*2\.14\.1"):
        environment._pip(["--no-deps", "torchvision==0.30.*"], tmp_path / "log", print)


def test_builds_that_do_not_fit_are_explained(monkeypatch):
    monkeypatch.setattr(environment, "_PROBE", "raise RuntimeError('operator nms does not exist')")
    with pytest.raises(RuntimeError, match=r"fit each other, got torch .*nms.*Install matching"):
        environment.probe()


def test_log_has_the_output_and_progress_the_steps(tmp_path):
    code = "print('Collecting x'); print('  noise'); print('Downloading x.whl (3 MB)')"
    told = []
    lines = environment._run([sys.executable, "-c", code], tmp_path / "log", told.append)
    assert lines is None
    assert [text.partition(" (")[2] for text in told] == [
        "Collecting x)",
        "Downloading x.whl (3 MB))",
    ]
    assert "noise" in (tmp_path / "log").read_text(encoding="utf-8")


def test_interrupted_installation_leaves_no_process(tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen

    def remember(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    def interrupt(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", remember)
    code = "import time; print('Collecting torch', flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        environment._run([sys.executable, "-c", code], tmp_path / "log", interrupt)
    assert started[0].poll() is not None
