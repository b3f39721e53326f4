"""ComfyUI-Manager reads requirements.txt, the registry reads pyproject.toml: they must agree."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT_BY_COMFYUI = {"torch", "torchvision", "torchaudio", "numpy", "transformers", "pillow"}


def lines():
    return (ROOT / "requirements.txt").read_text().split()


def test_both_lists_are_one():
    assert sorted(lines()) == sorted(PROJECT["dependencies"])
    assert lines() == sorted(lines())


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


def test_installing_them_here_changes_nothing_that_comfyui_has(tmp_path, need):
    """Asks pip what it would do in this environment, without doing it."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", report]
    done = subprocess.run(
        [*command, "-r", ROOT / "requirements.txt"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and ("No matching" in done.stderr or "No module" in done.stderr):
        need("pip or a package index that answers", "Connect to one, or run: pip install pip")
    assert done.returncode == 0, done.stderr
    planned = json.loads(report.read_text(encoding="utf-8"))["install"]
    assert not {one["metadata"]["name"].lower() for one in planned} & BROUGHT_BY_COMFYUI
