"""What the tests of engines share: diffusers, and the tiny checkpoints beside them."""

import sys
import warnings
from pathlib import Path

import pytest
from dressform.comfyui import launch

HERE = str(Path(__file__).parent)

if HERE not in sys.path:  # tiny_*.py are modules of no package
    sys.path.append(HERE)
if not any(isinstance(finder, launch.TorchaudioWithoutItsLibrary) for finder in sys.meta_path):
    # transformers imports torchaudio, which refuses a torch of another build.
    sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())


@pytest.fixture(scope="session")
def diffusers(need):
    """The library, imported with everything that it imports when it is first used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries' own imports
        try:
            import diffusers
            import peft
            from diffusers import StableDiffusionXLPipeline
        except ImportError:
            need("diffusers, peft or torch", "Run: pip install torch diffusers peft transformers")
        assert peft
        assert StableDiffusionXLPipeline
    return diffusers
