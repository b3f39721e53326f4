"""Nodes for hints: the strokes that show a generative model the missing body."""

import torch
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from . import feedback, tensors
from .documents import join, split
from .sockets import PARSING, POSE


class ProposeHints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformProposeHints",
            display_name="Propose Body Hints",
            category="dressform/hints",
            description=(
                "Works out the body that the garment implies and proposes rough strokes for what "
                "the mannequin lacks: head, neck, arms, legs. A few such strokes make generation "
                "succeed on hollow and headless mannequins."
            ),
            search_aliases=["scribble", "pose from garment", "openpose mannequin", "strokes"],
            inputs=[
                PARSING.Input("parsing", tooltip="From Parse Mannequin Photo."),
                io.Boolean.Input(
                    "all_parts",
                    default=False,
                    tooltip="Off: only parts the photo lacks. On: the whole body, also over the "
                    "garment.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="hints",
                    tooltip="Stroke document as JSON; for a batch, a list of them.",
                ),
                POSE.Output(
                    display_name="pose",
                    tooltip="18 OpenPose body keypoints in photo pixels, for pose ControlNets.",
                ),
            ],
        )

    @classmethod
    def execute(cls, parsing: list[Parsing], all_parts: bool) -> io.NodeOutput:
        from ..imaging import body, hints, pose, strokes

        poses = [body.locate(one) for one in parsing]
        documents = [
            strokes.to_json(hints.propose(one, located, all_parts=all_parts, photo=one.photo))
            for one, located in zip(parsing, poses, strict=True)
        ]
        return io.NodeOutput(join(documents), [pose.to_openpose(one) for one in poses])


class RenderHints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformRenderHints",
            display_name="Render Hints",
            category="dressform/hints",
            description=(
                "Draws a stroke document: as a scribble map for ControlNet, in colour on the "
                "photo, and as a mask of the area where the body is missing."
            ),
            search_aliases=["scribble map", "draw strokes", "stroke mask"],
            inputs=[
                io.String.Input(
                    "hints",
                    force_input=True,
                    tooltip="Stroke document as JSON, from Propose Body Hints.",
                ),
                io.Image.Input("image", tooltip="The photo the strokes belong to."),
                io.Int.Input(
                    "grow_px",
                    default=0,
                    min=0,
                    max=512,
                    step=1,
                    tooltip="Widens the mask by this many pixels; more gives a model more room.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="scribble", tooltip="White strokes on black, for ControlNet."
                ),
                io.Image.Output(
                    display_name="hinted_photo", tooltip="The photo with the strokes in colour."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="1 on the strokes and inside closed ones."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, hints: str, image: torch.Tensor, grow_px: int) -> io.NodeOutput:
        from ..imaging import scribble, strokes

        pairs = tensors.pair(
            image=tensors.to_pictures(image, "image"),
            hints=[strokes.from_json(text) for text in split(hints, "hints")],
        )
        sizes = [one["image"].shape[:2] for one in pairs]
        drawn = tensors.from_pictures(
            [scribble.draw_on(one["image"], one["hints"]) for one in pairs]
        )
        return io.NodeOutput(
            tensors.from_pictures(
                [
                    scribble.render(one["hints"], size)
                    for one, size in zip(pairs, sizes, strict=True)
                ]
            ),
            drawn,
            tensors.from_masks(
                [
                    scribble.mask(one["hints"], size, grow_px=grow_px)
                    for one, size in zip(pairs, sizes, strict=True)
                ]
            ),
            ui=feedback.preview(
                cls, drawn, [line for one in pairs for line in _doubts(one["hints"], one["image"])]
            ),
        )


def _doubts(document, picture) -> list[str]:
    height, width = picture.shape[:2]
    if document.height * width == document.width * height:
        return []
    return [
        f"The hints were made for a photo of {document.width} x {document.height} pixels, this "
        f"one has {width} x {height}. Propose them again for this photo."
    ]
