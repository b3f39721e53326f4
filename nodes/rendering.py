"""The node that draws stroke documents: maps for ControlNets, references for editors, masks."""

import torch
from comfy_api.latest import io

from . import feedback, tensors
from .documents import split


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
