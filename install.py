"""Finishes an installation: says what is missing and lends ComfyUI the sample photos.

    python install.py

ComfyUI-Manager runs this in the pack's folder after requirements.txt. It uses the standard library
only, imports nothing of the pack, downloads nothing and never calls pip.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parent
# Module name -> package that brings it.
NEEDED = {
    "aiohttp": "aiohttp",
    "cv2": "opencv-python",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "PIL": "pillow",
    "accelerate": "accelerate",
    "diffusers": "diffusers",
    "huggingface_hub": "huggingface_hub",
    "peft": "peft",
    "safetensors": "safetensors",
}
# What the shipped workflows name, by its path in ComfyUI's input folder.
SAMPLES = {
    "dressform_mannequin.jpg": PACK / "samples" / "dressform" / "photo.jpg",
    "dressform_person.jpg": PACK / "samples" / "person.jpg",
    "dressform_tee.jpg": PACK / "samples" / "headless" / "photo.jpg",
    "dressform_tee_inside.jpg": PACK / "samples" / "headless" / "inside.jpg",
    "dressform_flat_tee.jpg": PACK / "samples" / "flat_tee.jpg",
    "dressform_trousers.jpg": PACK / "samples" / "trousers.jpg",
    "dressform_person_full.jpg": PACK / "samples" / "person_full.jpg",
    # A folder of persons for Load Product Folder.
    "dressform_people/anna.jpg": PACK / "samples" / "person.jpg",
    "dressform_people/ben.jpg": PACK / "samples" / "person_full.jpg",
    "dressform_people/carla.jpg": PACK / "samples" / "person_turned.jpg",
}


def missing_packages() -> list[str]:
    """Returns the packages that this interpreter lacks."""
    return [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]


def input_folder(link: Path) -> Path | None:
    """Returns the input folder of the ComfyUI whose custom_nodes holds the pack.

    Args:
        link: The pack's folder as ComfyUI sees it; a link is not followed.
    """
    folder = link.parent.parent / "input"
    return folder if link.parent.name == "custom_nodes" and folder.is_dir() else None


def lend_samples(folder: Path) -> list[Path]:
    """Copies the sample photos that `folder` lacks and returns the copies."""
    copies = []
    for name, source in SAMPLES.items():
        copy = folder / name
        if source.is_file() and not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, copy)
            copies.append(copy)
    return copies


def main() -> int:
    """Returns 0 if the nodes can run, 1 if packages are missing."""
    folder = input_folder(Path(__file__).absolute().parent)
    if folder is not None:
        for copy in lend_samples(folder):
            sys.stdout.write(f"Dressform: sample photo {copy}\n")
    missing = missing_packages()
    if missing:
        sys.stdout.write(
            f"Dressform: {', '.join(missing)} not found. "
            f'Run: "{sys.executable}" -m pip install -r requirements.txt\n'
        )
        return 1
    sys.stdout.write("Dressform: ready. Open the template mannequin_to_model and press Run.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
