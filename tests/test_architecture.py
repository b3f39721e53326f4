"""The import table of the house (README, "Layout"), held by reading every import."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("imaging", "quality", "inference", "nodes", "comfyui", "billing_server", "worker")
MAY_IMPORT = {
    "imaging": set(),
    "quality": {"imaging"},
    "inference": {"imaging"},
    "nodes": {"imaging", "quality", "inference"},
    "comfyui": set(),
    "billing_server": set(),
    "worker": {"comfyui"},
}
COMFYUI_MODULES = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "folder_paths",
    "server",
}
HEAVY = {"torch", "torchvision", "diffusers", "transformers"}
MAX_LINES = 400
STARTERS = {"embedded.py", "local_worker.py"}  # of PostgreSQL; of the worker beside a server

FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALL_FILES = [*FILES, *sorted(ROOT.glob("*.py"))]


def name(path):
    return path.relative_to(ROOT).as_posix()


def imports(path, *, module_level=False):
    """Yields (dots, dotted module name) for every import statement of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module is None:
                yield from ((node.level, alias.name) for alias in node.names)
            else:
                yield node.level, node.module


def test_there_are_files_to_check():
    assert {path.parent.name for path in FILES} >= set(PACKAGES)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_packages_import_only_what_the_table_allows(path):
    folders = path.relative_to(ROOT).parts[:-1]
    reached = set()
    for dots, module in imports(path):
        if dots:
            assert dots <= len(folders) + 1
            base = folders[: len(folders) + 1 - dots]
            reached.add((*base, *module.split("."))[0])
    assert reached <= MAY_IMPORT[folders[0]] | {folders[0]}


@pytest.mark.parametrize("path", ALL_FILES, ids=name)
def test_no_file_reaches_a_package_of_ours_by_an_absolute_name(path):
    absolute = {module.split(".")[0] for dots, module in imports(path) if dots == 0}
    assert not absolute & {*PACKAGES, "dressform"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_nodes_know_comfyui_and_only_the_edge_knows_torch(path):
    package = path.relative_to(ROOT).parts[0]
    roots = {module.split(".")[0] for dots, module in imports(path) if dots == 0}
    if package != "nodes":
        assert not roots & COMFYUI_MODULES
    if package not in ("nodes", "inference"):
        assert not roots & HEAVY


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_heavy_is_imported_when_the_pack_loads(path):
    roots = {module.split(".")[0] for dots, module in imports(path, module_level=True) if dots == 0}
    if path.parts[-2] == "nodes":
        assert not roots & {"diffusers", "transformers", "cv2", "torchvision"}
    else:
        assert not roots & HEAVY


def test_the_entry_point_imports_nothing_at_module_level():
    assert not list(imports(ROOT / "__init__.py", module_level=True))


@pytest.mark.parametrize("path", ALL_FILES, ids=name)
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", ALL_FILES, ids=name)
def test_nothing_is_evaluated_or_hidden(path):
    """The rules of the ComfyUI registry: no eval, no exec, nothing obfuscated."""
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "__import__"}


@pytest.mark.parametrize(
    "path",
    [p for p in ALL_FILES if p.parts[-2] != "comfyui" and p.name not in STARTERS],
    ids=name,
)
def test_only_the_drivers_of_comfyui_postgresql_and_worker_start_processes(path):
    """ComfyUI loads the rest, and the registry forbids pip at run time."""
    assert "subprocess" not in {module for _, module in imports(path)}


def test_every_public_name_of_a_module_says_what_it_does():
    bare = [
        f"{name(path)}:{node.name}"
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
        and path.parts[-2] != "nodes"  # there the schema speaks
    ]
    assert bare == []


def test_no_file_carries_a_path_of_somebodys_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 (wherever git is)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: clone the repository with git to run this test")
    texts = [ROOT / line for line in listed.stdout.split("\0") if line]
    here = f"{ROOT.parent.as_posix()}/"
    assert len(here) < 4 or not [
        name(path)
        for path in texts
        if path.suffix in (".py", ".md", ".json", ".toml", ".js", "")
        and path.is_file()
        and here in path.read_text(encoding="utf-8", errors="ignore")
    ]
