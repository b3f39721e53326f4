"""The node in whose canvas the user draws hints; the browser's part is web/."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io, ui

from ..imaging.parsing import Parsing
from . import documents, feedback, tensors
from .sockets import PARSING

if TYPE_CHECKING:
    from .hint_choice import Choice

WHEN_PHOTO_CHANGES = ("stop", "refit", "keep", "clear")
CANVAS_PX = 2048  # long side of the photo behind the canvas: a full screen shows no more


class DrawHints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformDrawHints",
            display_name="Draw Hints",
            category="dressform/hints",
            description=(
                "Draw rough strokes over the photo: head, arms, legs, whatever the mannequin "
                "lacks. The strokes are kept in the workflow; without any, the proposal goes on."
            ),
            search_aliases=["scribble", "sketch", "paint", "drawing canvas", "stroke editor"],
            inputs=[
                io.Image.Input("image", tooltip="The photo to draw on; run once to see it."),
                io.String.Input(
                    "proposal",
                    optional=True,
                    force_input=True,
                    tooltip="From Propose Body Hints; used until you draw, and can be edited.",
                ),
                PARSING.Input(
                    "parsing",
                    optional=True,
                    tooltip="Of the same photo, for refit; without it refit parses the photo.",
                ),
                io.String.Input(
                    "strokes",
                    default="",
                    socketless=True,
                    tooltip="The drawing as a stroke document in JSON; empty: the proposal.",
                    extra_dict={"widgetType": "DRESSFORM_STROKES"},
                ),
                io.Combo.Input(
                    "when_photo_changes",
                    options=list(WHEN_PHOTO_CHANGES),
                    default="stop",
                    tooltip="Strokes of another photo: stop and ask, refit them to the body of "
                    "this one, keep them as they are, or clear them.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="hints",
                    tooltip="Stroke document as JSON; for a batch, a list of them.",
                )
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, strokes: str | None = None) -> bool | str:
        if strokes is None or not strokes.strip():
            return True
        return documents.refusal(strokes, "strokes") or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        strokes: str,
        when_photo_changes: str,
        proposal: str | None = None,
        parsing: list[Parsing] | None = None,
    ) -> io.NodeOutput:
        from ..imaging.strokes import MAX_SIDE_PX, to_json
        from . import hint_choice

        pictures = tensors.to_pictures(image, "image")
        height, width = pictures[0].shape[:2]
        if max(height, width) > MAX_SIDE_PX:
            raise ValueError(
                f"image must be at most {MAX_SIDE_PX} pixels a side, got {height}x{width}. "
                "Scale the photo down."
            )
        try:
            drawn = documents.read(strokes, "strokes") if strokes.strip() else None
            proposed = None if proposal is None else documents.read(proposal, "proposal")
        except ValueError as error:
            return feedback.refused(cls, str(error))
        if drawn and when_photo_changes == "refit":
            drawn = [hint_choice.with_landmarks(one, pictures, parsing) for one in drawn]
        pairs = tensors.pair(picture=pictures, drawn=drawn, proposal=proposed, parsing=parsing)
        choices = []
        for index, one in enumerate(pairs):
            choices.append(hint_choice.choose(**one, rule=when_photo_changes))
            feedback.progress(index + 1, len(pairs))
        shown = {"dressform_hints": _shown(pictures, choices)}
        going_on = [choice.document for choice in choices if choice.document is not None]
        if len(going_on) < len(choices):
            reason = next(choice.note for choice in choices if choice.document is None)
            return feedback.refused(cls, reason, shown)
        said = feedback.sentences(cls, [choice.note for choice in choices if choice.note])
        texts = [to_json(document) for document in going_on]
        return io.NodeOutput(documents.join(texts), ui={**shown, **said})


def _shown(pictures: Sequence, choices: "Sequence[Choice]") -> list[dict]:
    """What the canvas in the browser needs, for each picture."""
    small = feedback.scaled_down(tensors.from_pictures(pictures), CANVAS_PX)
    saved = ui.PreviewImage(small).values
    return [
        {
            "photo": dict(saved[index % len(saved)]),
            "width": choice.width,
            "height": choice.height,
            "fingerprint": choice.photo,
            "proposal": choice.proposal,
            "status": choice.status,
        }
        for index, choice in enumerate(choices)
    ]
