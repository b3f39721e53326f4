"""The body of `dressform demo`: the shipped workflow on a sample photo, then its report."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .comfyui import run, session
from .imaging import labels, pictures
from .quality import overlay, verdict
from .quality import report as quality_report
from .quality.report import Step

ROOT = Path(__file__).resolve().parent
WORKFLOW = ROOT / "workflows" / "mannequin_to_model.json"
PHOTO = ROOT / "samples" / "dressform" / "photo.jpg"
PERSON = ROOT / "samples" / "person.jpg"

# Titles of the workflow's nodes, with heading, Chinese heading and caption in the report.
ON_MODEL, HEATMAP = "On-model picture", "Quality heatmap"
ANNOTATED, SCORES = "Check Quality", "Quality scores"
PAINTER, PAINTED = "Make Model Photo", "Report"
STEPS = {
    "Parse Mannequin Photo": (
        "What is in it",
        "解析",
        "Garment, mannequin, stand and the garment's inside, told apart.",
    ),
    "Cleaned picture": ("Mannequin removed", "去除人台", "The garment alone, on a clean backdrop."),
    "Hints on the photo": (
        "The missing body",
        "身体线稿",
        "Rough strokes for what the mannequin lacks; a generative model needs no more.",
    ),
    ON_MODEL: ("On the model", "上身图", "The person's photo, and the same person in the garment."),
    HEATMAP: (
        "Where to look",
        "热力图",
        "The verdict on the picture, and a map: gray is fine, the warmer the further off. A check "
        "judges the whole picture, so a warm spot alone need not fail it.",
    ),
}
LEGENDS = {
    "Parse Mannequin Photo": tuple(
        (labels.NAMES[label], labels.COLORS[label])
        for label in (labels.GARMENT, labels.MANNEQUIN, labels.SUPPORT, labels.INTERIOR)
    ),
    HEATMAP: overlay.legend(),
}
# Steps that show another node's picture -> the node with something to say about it.
SPEAKERS = {ON_MODEL: PAINTER}
# What is added to an engine's name in the report.
ENGINES = {"warp": "warp (no weights, deterministic)"}
SHORTEST_S = 0.05  # loading and saving a small picture is not worth a bar

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
        ValueError: a photo is no picture or damaged.
        ValueError, RuntimeError: as `comfyui.run.run`.
    """
    for path in (photo, person):
        pictures.open_picture(path)  # a missing or damaged one is told before anything is started
    settings = [f"{PHOTO_INPUT}={photo.resolve()}", f"{PERSON_INPUT}={person.resolve()}"]
    if url:
        run.run(WORKFLOW, url, out, settings=settings)
        return report(out, photo, person)
    begun = time.monotonic()
    with session.started(notify) as server:
        ready = time.monotonic()
        settle()
        run.run(WORKFLOW, server.url, out, settings=settings)
    return report(out, photo, person, start_s=ready - begun)


def report(out: Path, photo: Path, person: Path, *, start_s: float = 0.0) -> Path:
    """Writes report.html from the outputs and run.json in `out`; returns its path.

    Args:
        out: As `demonstrate` filled it.
        photo: Of the garment.
        person: Who wears it.
        start_s: What getting and starting ComfyUI took; 0 where it was running.

    Raises:
        ValueError: run.json is of another workflow.
    """
    record = json.loads((out / run.RECORD).read_text(encoding="utf-8"))
    found = {entry["title"]: entry for entry in record["outputs"].values()}
    missing = sorted({*STEPS, ANNOTATED, SCORES, PAINTED} - set(found))
    if missing:
        raise ValueError(
            f"outputs of {WORKFLOW.name} are required, got none of {', '.join(missing)}. "
            "Run the demo again."
        )
    pictures_of = {name: pictures.open_picture(out / found[name]["files"][0]) for name in STEPS}
    before = pictures.open_picture(photo)
    beside = {
        ON_MODEL: pictures.open_picture(person),
        HEATMAP: pictures.open_picture(out / found[ANNOTATED]["files"][0]),
    }
    scores, painted = (
        json.loads((out / found[title]["files"][0]).read_text(encoding="utf-8"))
        for title in (SCORES, PAINTED)
    )
    return quality_report.write(
        out / "report.html",
        title="From mannequin to model",
        steps=[
            Step("The photo", "As the shop took it.", before, title_zh="原图"),
            *(
                _step(name, text, pictures_of[name], beside.get(name), _said(found, name))
                for name, text in STEPS.items()
            ),
        ],
        verdict=verdict.from_json(scores),
        timings=({"Starting ComfyUI": start_s} if start_s else {}) | _timings(record),
        meta={
            "Workflow": WORKFLOW.name,
            "Engine": ENGINES.get(painted["engine"], painted["engine"]),
            "ComfyUI": record["server"]["comfyui"],
            "torch": record["server"]["torch"],
            "Device": ", ".join(record["server"]["devices"]),
            "Pictures": "rendered for this project, Apache-2.0" if photo == PHOTO else photo.name,
        },
        compare=(before, pictures_of[ON_MODEL]),
    )


def _said(found: dict, name: str) -> list[str]:
    """The sentences of the node behind a step, for example what the parser doubts."""
    return found.get(SPEAKERS.get(name, name), {}).get("values", {}).get("text", [])


def _step(
    name: str,
    text: tuple[str, str, str],
    picture: np.ndarray,
    before: np.ndarray | None,
    said: list[str],
) -> Step:
    title, chinese, caption = text
    caption = " ".join([caption, *said])
    legend = LEGENDS.get(name, ())
    shown = picture if before is None else [before, picture]
    return Step(title, caption, shown, title_zh=chinese, legend=legend, wide=before is not None)


def _timings(record: dict) -> dict[str, float]:
    """Seconds by node, in the order they ran, then what the server needed between them."""
    seconds = {
        record["titles"][node]: spent
        for node, spent in record["node_seconds"].items()
        if spent >= SHORTEST_S
    }
    return seconds | {"Between the nodes": max(record["seconds"] - sum(seconds.values()), 0.0)}
