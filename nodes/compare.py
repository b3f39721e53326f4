"""The node that says whether a new version of a workflow may replace the old one."""

import json
from pathlib import Path

import torch
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from . import feedback, tensors
from .sockets import PARSING

FOLDER = "compare"  # below ComfyUI's output folder
# As `quality.compare.plan.CLAIMS`; a test compares.
CLAIMS = ("better", "no worse")


class Compare(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformCompare",
            display_name="Compare Versions",
            category="dressform/quality",
            description=(
                "Compares pictures of an old and a new version, scene by scene, and decides: ship "
                "it, ship it to a part, measure more, or keep the old one. Seeds of a scene are "
                "averaged. Writes a report."
            ),
            search_aliases=["a/b test", "regression", "non-inferiority", "evaluate", "benchmark"],
            inputs=[
                io.Image.Input("baseline", tooltip="Pictures of the old version."),
                io.Image.Input(
                    "candidate", tooltip="Pictures of the new version: same order, seeds, size."
                ),
                io.Image.Input("source", tooltip="The photo of the garment, for each picture."),
                PARSING.Input("parsing", tooltip="Parsing of the source photos."),
                io.Image.Input(
                    "person", optional=True, tooltip="The person's photos before try-on."
                ),
                io.Mask.Input(
                    "repainted_mask",
                    optional=True,
                    tooltip="Of Try On: where the pictures may differ from the person's photo.",
                ),
                io.Mask.Input(
                    "worn_garment",
                    optional=True,
                    tooltip="Of Try On: where the garment is in the pictures.",
                ),
                io.String.Input(
                    "scenes",
                    default="",
                    multiline=True,
                    tooltip="A line for each picture: scene name, then slices such as "
                    "garment=dress. The same name again is its next seed; two are needed.",
                ),
                io.String.Input(
                    "gates",
                    default="veil 3\nedge 6\ntexture 6",
                    multiline=True,
                    tooltip="A check and a margin in each line, three at most: a mean loss below "
                    "the margin is accepted in every slice.",
                ),
                io.String.Input(
                    "targets",
                    default="edge",
                    multiline=True,
                    tooltip="What the new version was made for: a check in each line, and a slice "
                    "if it is for that one only.",
                ),
                io.Combo.Input(
                    "claim",
                    options=list(CLAIMS),
                    default=CLAIMS[0],
                    tooltip="better: a target must be proven. no worse: it is enough to do no "
                    "harm, for example for a faster version.",
                ),
                io.String.Input(
                    "name",
                    default="comparison",
                    tooltip="Of the report: a folder in output/compare.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="verdict",
                    tooltip="SHIP, SHIP TO SLICE, NEED MORE or HOLD.",
                ),
                io.String.Output(
                    display_name="scores", tooltip="Everything that was found, as JSON."
                ),
                io.String.Output(display_name="report", tooltip="Path of the HTML report."),
                io.Image.Output(
                    display_name="table", tooltip="Every slice and gate with its interval."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        baseline: torch.Tensor,
        candidate: torch.Tensor,
        source: torch.Tensor,
        parsing: list[Parsing],
        scenes: str,
        gates: str,
        targets: str,
        claim: str,
        name: str,
        person: torch.Tensor | None = None,
        repainted_mask: torch.Tensor | None = None,
        worn_garment: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from ..quality.compare import batch, plots, report

        images = {"baseline": baseline, "candidate": candidate, "source": source, "person": person}
        masks = {"repainted_mask": repainted_mask, "worn_garment": worn_garment}
        pairs = tensors.pair(
            parsing=parsing,
            **{n: None if t is None else _pictures(t, n) for n, t in images.items()},
            **{n: None if t is None else tensors.to_masks(t, n) for n, t in masks.items()},
        )
        told, shown, found = batch.compare(
            [
                _shot(pair, *line)
                for pair, line in zip(pairs, batch.named(scenes, len(pairs)), strict=True)
            ],
            batch.plan(gates, targets, claim),
            name=name,
            progress=feedback.progress,
        )
        text = json.dumps(told, indent=1, ensure_ascii=False)
        page = report.build(told, shown, factors_known=False)
        path = _save(name, text, page)
        table = tensors.from_pictures([plots.picture(told)])
        said = [f"{found.decision}: {told['sentence']['en']}"]
        return io.NodeOutput(
            found.decision, text, str(path), table, ui=feedback.preview(cls, table, said)
        )


def _pictures(image: torch.Tensor, name: str) -> list:
    for number, one in enumerate(image, 1):
        if not torch.isfinite(one).all():
            raise ValueError(
                f"{name} must have finite values, got NaN or infinity in picture {number}. Decode "
                "it again with a VAE in full precision."
            )
    return tensors.to_pictures(image, name)


def _shot(pair: dict, scene: str, slices: tuple[str, ...]):
    from ..quality.compare import batch, scoring

    found = {name: pair[name] for name in ("worn_garment", "repainted_mask")}
    for name, mask in found.items():
        if mask is not None:
            tensors.require_same_size(mask, pair["candidate"], name, "candidate")
            if not mask.any():
                raise ValueError(
                    f"{name} must select something, got an empty mask at scene {scene}. Connect "
                    "the output of Try On, or nothing."
                )
    worn, repainted = found["worn_garment"], found["repainted_mask"]
    material = scoring.Material(
        pair["source"],
        pair["parsing"],
        pair["person"],
        None if worn is None else worn > 0.5,
        None if repainted is None else repainted > 0,
    )
    return batch.Shot(scene, slices, pair["baseline"], pair["candidate"], material)


def _save(name: str, text: str, page: str) -> Path:
    import folder_paths

    from ..imaging import files

    plain = "".join(c if c.isalnum() or c in " -_." else "_" for c in name).strip(" .")
    folder = Path(folder_paths.get_output_directory()) / FOLDER / (plain or "comparison")
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in (("compare.json", text), ("report.html", page)):
        with files.whole(folder / file) as partial:
            partial.write_text(content, encoding="utf-8")
    return folder / "report.html"
