"""What the tests of engines share: the tiny checkpoints beside them can be imported."""

import sys
from pathlib import Path

from dressform.comfyui import launch

HERE = str(Path(__file__).parent)

if HERE not in sys.path:  # tiny_*.py are modules of no package
    sys.path.append(HERE)
if not any(isinstance(finder, launch.TorchaudioWithoutItsLibrary) for finder in sys.meta_path):
    # transformers imports torchaudio, which refuses a torch of another build.
    sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
