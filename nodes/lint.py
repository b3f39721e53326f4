"""The node that says what is wrong with a photo before anything is made from it."""

import json

import torch
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from . import feedback, tensors
from .sockets import PARSING

# Lower case as all choices; written out, since a schema must not import the measures.
LEAST_GRADES = ("a", "b", "c", "d", "e")


class LintPhoto(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformLintPhoto",
            display_name="Lint Photo",
            category="dressform/quality",
            description=(
                "Inspects a photo before anything is made from it: resolution, sharpness, "
                "exposure, framing, contrast, clutter. Gives each finding with its number and "
                "what to do, and a grade from A to E."
            ),
            search_aliases=["photo check", "blur detection", "exposure", "image quality"],
            inputs=[
                io.Image.Input("image", tooltip="The photo that was parsed."),
                PARSING.Input("parsing", tooltip="From Parse Mannequin Photo, of the same photo."),
                io.Combo.Input(
                    "least_grade",
                    options=list(LEAST_GRADES),
                    default="c",
                    tooltip="The worst grade that is still ok: a is strict, e accepts everything.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="grade", tooltip="A to E; of the worst photo of the batch."
                ),
                io.String.Output(
                    display_name="findings",
                    tooltip="What to object to, a line each, in English and Chinese.",
                ),
                io.Float.Output(
                    display_name="score",
                    tooltip="0.0 to 1.0: share of the checks passed, a warning counts half; of "
                    "the worst photo.",
                ),
                io.Boolean.Output(
                    display_name="ok", tooltip="Whether every photo has the least grade."
                ),
                io.Image.Output(
                    display_name="annotated",
                    tooltip="The photo with the places marked and all numbers below.",
                ),
                io.String.Output(
                    display_name="scores",
                    tooltip="All checks as JSON; for a batch, a list.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, image: torch.Tensor, parsing: list[Parsing], least_grade: str
    ) -> io.NodeOutput:
        from ..quality.lint import inspection, marks

        pairs = tensors.pair(image=tensors.to_pictures(image, "image"), parsing=parsing)
        reports = []
        for index, one in enumerate(pairs):
            tensors.require_same_size(one["parsing"].label_map, one["image"], "parsing", "image")
            reports.append(inspection.inspect(one["image"], one["parsing"]))
            feedback.progress(index + 1, len(pairs))
        documents = [inspection.to_json(report) for report in reports]
        texts = [inspection.text(report) for report in reports]
        grade = inspection.worst([report.grade for report in reports])
        annotated = tensors.from_pictures(
            [
                marks.annotate(one["image"], report)
                for one, report in zip(pairs, reports, strict=True)
            ]
        )
        return io.NodeOutput(
            grade,
            "\n\n".join(texts),
            min(report.score for report in reports),
            inspection.reaches(grade, least_grade.upper()),
            annotated,
            json.dumps(documents if len(documents) > 1 else documents[0], ensure_ascii=False),
            ui=feedback.preview(cls, annotated, texts),
        )
