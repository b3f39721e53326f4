"""What the tests share: the real ComfyUI, and what happens where a part is missing.

A test whose part is missing is skipped with a sentence that says how to get it. With
DRESSFORM_REQUIRE=all the same is a failure, so that nothing is silently left out.
"""

import os
import sys

import pytest
from dressform.comfyui import environment, launch, session, source
from dressform.comfyui.server import Server

REQUIRE_ALL = os.environ.get("DRESSFORM_REQUIRE") == "all"


def _failed(report):
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, "")
    report.outcome = "failed"
    report.longrepr = f"DRESSFORM_REQUIRE=all allows no skip. {reason or report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    return _failed(report) if REQUIRE_ALL and report.skipped and not _is_xfail(report) else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    return _failed(report) if REQUIRE_ALL and report.skipped else report


def _is_xfail(report):
    return hasattr(report, "wasxfail")


@pytest.fixture(scope="session")
def need():
    """A function that skips the test, or fails it where everything is required."""

    def say(what, how):
        pytest.skip(f"{what} is missing. {how}")

    return say


@pytest.fixture(scope="session")
def comfyui_folder(need):
    """The tree of a ComfyUI that this interpreter can run."""
    tree = source.locate()
    if tree is None:
        need("ComfyUI", "Run `dressform comfyui`, or set COMFYUI_PATH to one of your own.")
    if not environment.is_ready(tree):
        need("a package that ComfyUI requires", "Run `dressform comfyui`.")
    if not any(isinstance(f, launch.TorchaudioWithoutItsLibrary) for f in sys.meta_path):
        # As the server does it, for tests that import ComfyUI's modules.
        sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
    return tree


@pytest.fixture(scope="session")
def comfyui(comfyui_folder, tmp_path_factory):
    """A running ComfyUI with this pack; one start serves all tests."""
    base = tmp_path_factory.mktemp("comfyui")
    with Server(comfyui_folder, packs=[session.PACK], base=base).start() as server:
        yield server
