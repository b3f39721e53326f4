"""The browser's code, tested by node; see tests/web."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from dressform.imaging import pose, strokes

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "tests" / "web").glob("*.test.js"))
TIMEOUT_S = 120
LIMITS = (
    "VERSION",
    "MAX_BYTES",
    "MAX_STROKES",
    "MAX_POINTS",
    "MAX_SIDE_PX",
    "MIN_RADIUS_PX",
    "MAX_RADIUS_PX",
    "MAX_LANDMARK_PX",
    "DECIMALS",
)


@pytest.fixture(scope="module")
def node(need):
    """The node of the system, else the one that Playwright brings along."""
    found = shutil.which("node")
    if found is None:
        playwright = pytest.importorskip("playwright")
        names = ("node", "node.exe")
        driver = Path(playwright.__file__).parent / "driver"
        found = next((str(driver / name) for name in names if (driver / name).is_file()), None)
    if found is None:
        need("node", "Install Node.js 20 or newer, or the Python package playwright.")
    return found


def test_there_are_tests_to_run():
    assert len(FILES) >= 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".test.js"))
def test_browser_code(node, path):
    run = subprocess.run(
        [node, "--test", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


def test_browser_and_python_share_roles_colours_and_limits(node):
    script = "import('./web/strokes.js').then(all => console.log(JSON.stringify(all)))"
    run = subprocess.run(
        [node, "-e", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    browser = json.loads(run.stdout)
    assert list(browser["ROLES"].items()) == list(strokes.ROLES.items())
    assert tuple(browser["CORRECTIONS"]) == strokes.CORRECTIONS
    assert tuple(browser["SOURCES"]) == strokes.SOURCES
    assert browser["LANDMARKS"] == len(pose.NAMES)
    assert {name: browser[name] for name in LIMITS} == {n: getattr(strokes, n) for n in LIMITS}


def test_only_the_pack_s_own_modules_lie_where_comfyui_imports_them():
    """ComfyUI makes every page import each script below web/."""
    scripts = sorted(path.relative_to(ROOT / "web") for path in (ROOT / "web").rglob("*.js"))
    assert {path.parent.as_posix() for path in scripts} == {"."}
    assert not [path for path in scripts if "test" in path.name]
