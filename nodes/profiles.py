"""Profiles of thresholds by name: the pack's, and those that a shop keeps with its models."""

import re
from pathlib import Path

import folder_paths

# Beside ComfyUI's weights, where an administrator keeps what all workflows share.
FOLDER = "dressform/profiles"


def path(name: str) -> str | Path:
    """Returns what `thresholds.load` reads for a profile's name.

    Raises:
        ValueError: the name is a path; a workflow shall not reach other files of the server.
    """
    if not re.fullmatch(r"[\w-]{1,64}", name):
        raise ValueError(
            f"profile must be a name of letters, digits, - and _, got {name!r}. Put your own file "
            f"into models/{FOLDER} and write its name without .toml."
        )
    own = Path(folder_paths.models_dir) / FOLDER / f"{name}.toml"
    return own if own.is_file() else name
