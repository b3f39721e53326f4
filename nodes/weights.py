"""Where ComfyUI keeps this pack's optional weights: models/dressform, or extra_model_paths.yaml."""

from pathlib import Path

import folder_paths

KEY = "dressform"


def folder(file: str) -> Path:
    """Returns the folder that holds a weights file; the first of all where none does.

    Args:
        file: Relative to the folder, e.g. "u2net.onnx".
    """
    folder_paths.add_model_folder_path(KEY, str(Path(folder_paths.models_dir) / KEY))
    listed = [Path(one) for one in folder_paths.get_folder_paths(KEY)]
    return next((one for one in listed if (one / file).is_file()), listed[0])


def folders() -> list[Path]:
    """Returns where weights of engines may lie, the place for new ones first.

    Those are the folders of this pack, and ComfyUI's own for models in diffusers' layout. Links are
    followed: what a message names must still be there when the server is gone.
    """
    folder_paths.add_model_folder_path(KEY, str(Path(folder_paths.models_dir) / KEY))
    listed = [*folder_paths.get_folder_paths(KEY), *folder_paths.get_folder_paths("diffusers")]
    return [Path(one).resolve() for one in listed]
