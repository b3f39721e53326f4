"""What is found, and what is advised where it is not."""

import pytest
from dressform import cli, doctor
from dressform.comfyui import environment, source

NEEDED = ("numpy", "onnxruntime", "opencv-python", "pillow", "aiohttp", "tqdm")


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A machine where everything is there; the tests take something away."""
    versions = dict.fromkeys(NEEDED, "1.0")
    versions |= dict.fromkeys(doctor.ENGINE_PACKAGES, "1.0")
    versions |= dict.fromkeys(environment.TRIO, "2.0")
    monkeypatch.setattr(environment, "version", versions.get)
    monkeypatch.setattr(environment, "is_ready", lambda tree: True)
    monkeypatch.setattr(source, "locate", lambda: tmp_path)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    return versions


def advice():
    return {found.name: found.advice for found in doctor.examine() if found.advice}


def test_nothing_is_advised_where_all_is_there(installed, capsys):
    assert advice() == {}
    assert cli.main(["doctor"]) == 0
    assert "/usr/bin/chromium" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("torch", "Run: dressform comfyui"),
        ("diffusers", "Run: pip install diffusers"),
        ("opencv-python", "Run: pip install opencv-python"),
    ],
)
def test_missing_package_comes_with_the_command_that_brings_it(installed, capsys, name, command):
    del installed[name]
    assert advice() == {name: command}
    assert cli.main(["doctor"]) == 1
    assert f"missing. {command}" in capsys.readouterr().out


@pytest.mark.parametrize("name", doctor.SUBSTITUTES["opencv-python"])
def test_every_distribution_of_opencv_will_do(installed, name):
    installed[name] = installed.pop("opencv-python")
    assert advice() == {}


def test_wrong_path_of_comfyui_is_told(installed, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    assert "COMFYUI_PATH must be a ComfyUI folder" in advice()["ComfyUI"]


def test_comfyui_without_its_packages_is_told(installed, monkeypatch):
    monkeypatch.setattr(environment, "is_ready", lambda tree: False)
    assert "Run: dressform comfyui" in advice()["ComfyUI"]


def test_missing_browser_is_told(installed, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert advice() == {"chromium": "Run: apt-get install chromium"}


def test_installed_weights_are_named_and_none_is_no_fault(installed, monkeypatch, tmp_path):
    monkeypatch.setenv("DRESSFORM_WEIGHTS", str(tmp_path))
    states = {found.name: found for found in doctor.examine()}
    assert "dressform weights list" in states["weights"].state
    assert not states["weights"].advice
    (tmp_path / "catvton" / "mix-48k-1024" / "attention").mkdir(parents=True)
    (tmp_path / "catvton" / "mix-48k-1024" / "attention" / "model.safetensors").touch()
    assert {found.name: found.state for found in doctor.examine()}["weights"] == "catvton"
