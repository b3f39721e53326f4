"""The node that says whether a picture may be sold, and why."""

import json

import torch
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from . import feedback, profiles, tensors
from .sockets import PARSING


class CheckQuality(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformCheckQuality",
            display_name="Check Quality",
            category="dressform/quality",
            description=(
                "Compares a finished picture with the photo of the garment: haze, edges, colour, "
                "fine texture, seams, leftover mannequin, changed pixels. Gives a verdict with "
                "numbers and a heatmap of where to look."
            ),
            search_aliases=["quality gate", "haze", "veil", "regression", "compare images"],
            inputs=[
                io.Image.Input("result", tooltip="The finished picture."),
                io.Image.Input(
                    "source",
                    optional=True,
                    tooltip="The photo of the garment it was made from. Without it, only the "
                    "baseline is compared.",
                ),
                PARSING.Input(
                    "parsing",
                    optional=True,
                    tooltip="Parsing of the source photo, or of the baseline where there is no "
                    "source.",
                ),
                io.Image.Input(
                    "baseline",
                    optional=True,
                    tooltip="An earlier result of the same scene to compare with.",
                ),
                io.Image.Input(
                    "person",
                    optional=True,
                    tooltip="The person's photo before try-on, to prove that nothing else changed.",
                ),
                io.Mask.Input(
                    "repainted_mask",
                    optional=True,
                    tooltip="Of Try On: where the result may differ from the person's photo.",
                ),
                io.Mask.Input(
                    "worn_garment",
                    optional=True,
                    tooltip="Of Try On: where the garment is in the result.",
                ),
                io.String.Input(
                    "profile",
                    default="default",
                    optional=True,
                    advanced=True,
                    tooltip="Whose thresholds decide: the name of a file in the pack's "
                    "quality/profiles, or in models/dressform/profiles, without .toml.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="verdict",
                    tooltip="pass, warn, fail or unmeasurable; the worst picture of the batch.",
                ),
                io.String.Output(
                    display_name="scores",
                    tooltip="Every check with number, threshold and sentence, as JSON; for a "
                    "batch, a list.",
                ),
                io.Image.Output(
                    display_name="heatmap", tooltip="Gray where fine, warmer where off."
                ),
                io.Image.Output(
                    display_name="annotated", tooltip="The result with the verdict written on."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        result: torch.Tensor,
        source: torch.Tensor | None = None,
        parsing: list[Parsing] | None = None,
        baseline: torch.Tensor | None = None,
        person: torch.Tensor | None = None,
        repainted_mask: torch.Tensor | None = None,
        worn_garment: torch.Tensor | None = None,
        profile: str = "default",
    ) -> io.NodeOutput:
        from ..quality import overlay, verdict

        limits = profiles.path(profile)
        optional = {"source": source, "baseline": baseline, "person": person}
        masks = {"repainted_mask": repainted_mask, "worn_garment": worn_garment}
        pairs = tensors.pair(
            result=tensors.to_pictures(result, "result"),
            parsing=parsing,
            **{n: None if t is None else tensors.to_pictures(t, n) for n, t in optional.items()},
            **{n: None if t is None else tensors.to_masks(t, n) for n, t in masks.items()},
        )
        verdicts = []
        for index, one in enumerate(pairs):
            verdicts.append(
                verdict.check(
                    one["result"],
                    one["source"],
                    one["parsing"],
                    garment_mask=None if one["worn_garment"] is None else one["worn_garment"] > 0.5,
                    person=one["person"],
                    repaint_mask=None
                    if one["repainted_mask"] is None
                    else one["repainted_mask"] > 0,
                    baseline=one["baseline"],
                    profile=limits,
                )
            )
            feedback.progress(index + 1, len(pairs))
        documents = [verdict.to_json(one) for one in verdicts]
        pictures = [one["result"] for one in pairs]
        annotated = tensors.from_pictures(
            [overlay.annotate(p, v) for p, v in zip(pictures, verdicts, strict=True)]
        )
        return io.NodeOutput(
            verdict.worst([one.overall for one in verdicts]),
            json.dumps(documents if len(documents) > 1 else documents[0], ensure_ascii=False),
            tensors.from_pictures(
                [overlay.heatmap(p, v) for p, v in zip(pictures, verdicts, strict=True)]
            ),
            annotated,
            ui=feedback.preview(cls, annotated),
        )
