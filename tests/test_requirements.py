"""ComfyUI-Manager reads requirements.txt, the registry reads pyproject.toml: they must agree."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dressform.comfyui import pinned

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT_BY_COMFYUI = {"torch", "torchvision", "torchaudio", "numpy", "transformers", "pillow"}


def lines():
    return (ROOT / "requirements.txt").read_text().split()


def test_both_lists_are_one():
    assert sorted(lines()) == sorted(PROJECT["dependencies"])
    assert lines() == sorted(lines())


def test_server_is_deployed_with_what_its_extra_brings():
    text = (ROOT / "billing_server" / "requirements.txt").read_text(encoding="utf-8")
    assert text.split() == PROJECT["optional-dependencies"]["server"]
    assert text.split() == sorted(text.split())


def test_nothing_pins_or_brings_what_comfyui_has():
    for requirement in lines():
        package = re.split(r"[<>=!~\[; ]", requirement)[0]
        assert package not in {"torch", "torchvision", "torchaudio", "transformers"}
        if package in BROUGHT_BY_COMFYUI:
            assert requirement == package, f"{requirement} would replace the user's {package}"


def test_comfyui_is_told_of_the_web_folder_once():
    """WEB_DIRECTORY and [tool.comfy] web together would load every file twice."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["comfy"]
    assert "web" not in settings
    assert 'WEB_DIRECTORY = "./web"' in (ROOT / "__init__.py").read_text()


def test_every_package_folder_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = [path.parent for path in ROOT.glob("*/__init__.py")]
    found = [init.parent for package in packages for init in package.rglob("__init__.py")]
    names = {".".join(("dressform", *path.relative_to(ROOT).parts)) for path in found}
    assert names | {"dressform"} == set(settings["packages"])


@pytest.fixture
def plan(tmp_path, need):
    """Asks pip what an installation would bring, without doing it: name to version."""

    def ask(*arguments):
        report = tmp_path / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"]
        done = subprocess.run(
            [*command, "--report", report, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode != 0 and ("No matching" in done.stderr or "No module" in done.stderr):
            need("pip or a package index that answers", "Connect to one, or run: pip install pip")
        assert done.returncode == 0, done.stderr
        metadata = [
            one["metadata"] for one in json.loads(report.read_text(encoding="utf-8"))["install"]
        ]
        return {one["name"].lower(): one["version"] for one in metadata}

    return ask


def test_installing_them_here_changes_nothing_that_comfyui_has(plan):
    assert not plan("-r", ROOT / "requirements.txt").keys() & BROUGHT_BY_COMFYUI


def test_new_environment_gets_a_torch_that_its_companions_fit(plan, tmp_path):
    """diffusers' companions bring a torch of their own, before ComfyUI's requirements do."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(pinned.TORCH), encoding="utf-8")
    planned = plan("--ignore-installed", "-c", constraints, "-r", ROOT / "requirements.txt")
    assert f"torch=={planned['torch']}" in pinned.TORCH
    companions = pinned.companions(planned["torch"])
    for requirement in pinned.TORCH[1:]:
        name, _, pinned_version = requirement.partition("==")
        assert companions[name] == f"{name}=={pinned_version.rpartition('.')[0]}.*"


def test_makefile_and_contributors_install_under_the_constraints():
    for path in ("Makefile", "CONTRIBUTING.md"):
        text = (ROOT / path).read_text(encoding="utf-8")
        installing = [line for line in text.splitlines() if "--editable" in line]
        assert installing
        assert all("--constraint" in line for line in installing)


def test_constraints_keep_a_torch_that_is_there(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda package: "2.13.0+cpu")
    assert pinned.constraints() == ["torch==2.13.0+cpu"]


def test_constraints_are_printed_by_a_bare_python(tmp_path):
    """Before anything is installed: without site-packages, from another folder."""
    script = ROOT / "comfyui" / "pinned.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == list(pinned.TORCH)
