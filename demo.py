"""The body of `dressform demo`: the shipped workflow on a sample photo, then its report."""

from collections.abc import Callable
from pathlib import Path

from .comfyui import run, session

ROOT = Path(__file__).resolve().parent
WORKFLOW = ROOT / "workflows" / "mannequin_to_model.json"
PHOTO = ROOT / "samples" / "dressform" / "photo.jpg"
PERSON = ROOT / "samples" / "person.jpg"

# Titles of the workflow's Load Image nodes.
PHOTO_INPUT, PERSON_INPUT = "Mannequin photo.image", "Person.image"


def demonstrate(
    out: Path,
    *,
    photo: Path = PHOTO,
    person: Path = PERSON,
    url: str | None = None,
    notify: Callable[[str], None] = lambda text: None,
    settle: Callable[[], None] = lambda: None,
) -> Path:
    """Runs the workflow on one photo and one person; returns the path of report.html.

    Args:
        out: Takes the pictures, run.json and report.html.
        photo: Of a garment on a mannequin.
        person: Who shall wear the garment.
        url: A running ComfyUI with this pack; None starts one for this run.
        notify: Called with one line of progress until the run begins.
        settle: Called when the run begins and shows its own progress.

    Raises:
        FileNotFoundError: a photo is missing.
        ValueError, RuntimeError: as `comfyui.run.run`.
    """
    for path in (photo, person):
        if not path.is_file():
            raise FileNotFoundError(
                f"a photo is required, got {path}, which does not exist. Correct the path."
            )
    settings = [f"{PHOTO_INPUT}={photo.resolve()}", f"{PERSON_INPUT}={person.resolve()}"]
    if url:
        run.run(WORKFLOW, url, out, settings=settings)
    else:
        with session.started(notify) as server:
            settle()
            run.run(WORKFLOW, server.url, out, settings=settings)
    return report(out, photo, person)


def report(out: Path, photo: Path, person: Path) -> Path:
    """Writes report.html from the outputs and run.json in `out`; returns its path."""
    raise NotImplementedError
