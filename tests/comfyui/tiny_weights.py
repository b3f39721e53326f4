"""Writes an engine's tiny random weights: a program, run by test_tryon_workflows.py.

    python tiny_weights.py MODULE FOLDER

MODULE is one of tests/inference/tiny_*.py. In a process of its own, so that diffusers does not stay
in the memory of the tests.
"""

import importlib
import sys
import warnings
from pathlib import Path

from dressform.comfyui import launch


def main(module: str, folder: str) -> None:
    sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
    sys.path.append(str(Path(__file__).parents[1] / "inference"))
    warnings.simplefilter("ignore")  # of the libraries' own imports
    importlib.import_module(module).write(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
