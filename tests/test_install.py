"""install.py as ComfyUI-Manager runs it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from dressform import install

ROOT = Path(__file__).parents[1]


def run(script, **options):
    return subprocess.run(
        [sys.executable, "install.py"],
        cwd=script.parent,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_it_needs_the_standard_library_only():
    tree = ast.parse((ROOT / "install.py").read_text(encoding="utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add(node.module.split(".")[0])
    assert roots <= sys.stdlib_module_names


@pytest.fixture
def comfyui(tmp_path):
    """A ComfyUI's folders with the pack linked into custom_nodes."""
    (tmp_path / "input").mkdir()
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "custom_nodes" / "my pack-1.0").symlink_to(ROOT, target_is_directory=True)
    return tmp_path


def test_the_workflow_finds_its_photos_after_the_installation(comfyui):
    pack = comfyui / "custom_nodes" / "my pack-1.0"
    folder = install.input_folder(pack)
    copies = install.lend_samples(folder)
    assert {copy.relative_to(folder).as_posix() for copy in copies} == set(install.SAMPLES)
    assert all(copy.stat().st_size > 1000 for copy in copies)


def test_a_photo_of_the_user_is_never_overwritten(comfyui):
    mine = comfyui / "input" / "dressform_person.jpg"
    mine.write_bytes(b"mine")
    install.lend_samples(comfyui / "input")
    assert mine.read_bytes() == b"mine"


def test_a_clone_outside_of_comfyui_gets_no_input_folder(tmp_path):
    assert install.input_folder(tmp_path / "dressform") is None


def test_it_ends_well_where_everything_is_installed():
    done = run(ROOT / "install.py")
    assert done.returncode == 0
    assert "ready" in done.stdout


def test_missing_packages_are_named_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr(install, "NEEDED", {"no_such_module": "no-such-package"})
    assert install.main() == 1
    assert "no-such-package not found" in capsys.readouterr().out


def test_the_lent_photos_are_those_the_workflows_load():
    files = (ROOT / "workflows").glob("*.json")
    workflows = "".join(path.read_text(encoding="utf-8") for path in files)
    # A photo is named itself, or the folder of it.
    assert all(f'"{name.split("/")[0]}"' in workflows for name in install.SAMPLES)
