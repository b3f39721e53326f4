"""The benchmarks' own modules, which are scripts and no part of the package."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="session")
def bench():
    """Loads a module of bench/ by its name."""

    def load(name):
        if str(BENCH) not in sys.path:  # as Python itself does for a script
            sys.path.append(str(BENCH))
        spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
