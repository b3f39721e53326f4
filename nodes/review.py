"""Where pictures wait for somebody to look at them, with what was found wrong."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths
import torch
from comfy.cli_args import args
from comfy_api.latest import io

from . import tensors

if TYPE_CHECKING:
    from ..quality.gate import Choice, Score


def keep(
    node: type[io.ComfyNode],
    folder: str,
    name: str,
    pictures: list[torch.Tensor],
    said: list[str],
    scores: "list[tuple[Score, ...]]",
    choices: "tuple[Choice, ...]",
) -> list[list[str]]:
    """Saves every try of each picture that is to be reviewed, and why it is.

    Args:
        node: Whose workflow goes into the files.
        folder: Inside ComfyUI's output folder; empty saves nothing.
        name: Of the files.
        pictures: For each try the batch.
        said: For each try what Check Quality said.
        scores: For each try the scores of its pictures.
        choices: For each picture.

    Returns:
        For each picture its files below the output folder.
    """
    if not folder.strip():
        return [[] for _ in choices]
    from ..imaging.products import naming, places, saving
    from ..quality import gate

    root = Path(folder_paths.get_output_directory())
    out = places.writable(folder, root)
    files: list[list[str]] = []
    for place, choice in enumerate(choices):
        saved: list[str] = []
        if choice.route == "review":
            stem = _free(out / naming.safe(name))
            for index, batch in enumerate(pictures):
                path = stem.with_name(f"{stem.name}_try{index + 1}.png")
                places.require_within(path, root)
                [picture] = tensors.to_pictures(batch[place : place + 1], "image")
                saving.write(path, picture, texts=_texts(node))
                saved.append(path.relative_to(root).as_posix())
            why = [gate.reasons(text, place) for text in said]
            _write_reasons(stem, saved, [of_try[place] for of_try in scores], why, choice)
        files.append(saved)
    return files


def _free(stem: Path) -> Path:
    number, path = 1, stem
    while path.with_name(f"{path.name}.json").exists():
        number += 1
        path = stem.with_name(f"{stem.name}-{number}")
    return path


def _write_reasons(
    stem: Path, saved: list[str], scores: list, why: list[list[str]], choice: "Choice"
) -> None:
    document = {
        "schema": "dressform.review/1",
        "best": choice.best + 1,
        "tries": [
            {
                "file": Path(file).name,
                "verdict": one.verdict,
                "reasons": reasons,
                "severity": round(one.severity, 4),
            }
            for file, one, reasons in zip(saved, scores, why, strict=True)
        ],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n", encoding="utf-8")


def _texts(node: type[io.ComfyNode]) -> dict[str, str]:
    """The workflow as ComfyUI's own saving puts it into a PNG, to make the picture again."""
    if args.disable_metadata or node.hidden is None:
        return {}
    texts = {"prompt": json.dumps(node.hidden.prompt)} if node.hidden.prompt else {}
    return texts | {key: json.dumps(v) for key, v in (node.hidden.extra_pnginfo or {}).items()}
