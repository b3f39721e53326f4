"""Random weights for the engines, by the builders that the tests use too."""

import importlib
import sys
import warnings
from pathlib import Path
from types import ModuleType

from dressform.comfyui import launch

BUILDERS = Path(__file__).parents[1] / "tests" / "inference"


def builder(name: str) -> ModuleType:
    """Imports tests/inference/tiny_NAME.py; its `write(folder)` writes weights, by their id."""
    if not any(isinstance(one, launch.TorchaudioWithoutItsLibrary) for one in sys.meta_path):
        sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
    if str(BUILDERS) not in sys.path:  # modules of no package
        sys.path.append(str(BUILDERS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries' own imports
        import diffusers.utils.logging
        import transformers.utils.logging

        for library in (diffusers, transformers):  # they say much of weights that nobody trained
            library.utils.logging.disable_progress_bar()
            library.utils.logging.set_verbosity_error()
        return importlib.import_module(f"tiny_{name}")
