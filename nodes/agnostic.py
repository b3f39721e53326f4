"""The node that shows where a person is repainted, so that nothing of the old garment is left."""

import functools

import numpy as np
import torch
from comfy_api.latest import io

from ..imaging.parsing import REGIONS, Parsing
from . import feedback, tensors
from .sockets import PARSING, POSE

# As `imaging.agnostic.EXTENTS`, which OpenCV comes with; a test compares.
EXTENTS = ("full", "fit")
NEEDS_GARMENT = (
    "garment_parsing must be connected for the extent fit, got nothing. Connect the parsing of the "
    "new garment's photo, or choose full."
)
NO_PERSON = (
    "The parser is not sure that this is a person (it says {kind}). Look at the mask; where it is "
    "wrong, connect pose."
)
# Kinds of photo on which there is no whole person to be dressed.
STRANGE = ("dressform", "ghost", "hanger", "flatlay", "unknown")


class MakeAgnosticMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformAgnosticMask",
            display_name="Make Agnostic Mask",
            category="dressform/tryon",
            description=(
                "Selects on a person all that could betray the old garment, and room for the new "
                "one. Hands, face, hair and shoes stay."
            ),
            search_aliases=["inpaint mask", "cloth mask", "vton mask", "repaint mask"],
            inputs=[
                io.Image.Input("person", tooltip="Photo of the person who shall wear the garment."),
                PARSING.Input(
                    "parsing",
                    optional=True,
                    tooltip="Of the person's photo; without it the photo is parsed.",
                ),
                POSE.Input(
                    "pose",
                    optional=True,
                    tooltip="The person's body keypoints; they win over what the parser sees.",
                ),
                PARSING.Input(
                    "garment_parsing",
                    optional=True,
                    tooltip="Of the new garment's photo: the mask gets room for its sleeves and "
                    "hem.",
                ),
                io.Combo.Input(
                    "region",
                    options=["auto", *REGIONS],
                    default="auto",
                    tooltip="What the new garment covers; auto takes it from garment_parsing, else "
                    "from the person's parsing.",
                ),
                io.Combo.Input(
                    "extent",
                    options=list(EXTENTS),
                    default="full",
                    tooltip="full: down to wrists, and ankles for what is worn below. fit: only as "
                    "far as old and new garment reach; needs garment_parsing.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask",
                    tooltip="1 where the person is painted anew; for repaint_mask of Try On.",
                ),
                io.Image.Output(
                    display_name="agnostic_image", tooltip="The person, gray where the mask is 1."
                ),
                io.Mask.Output(
                    display_name="protected",
                    tooltip="1 on hands, face, hair, shoes and what else must not change.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        person: torch.Tensor,
        region: str,
        extent: str,
        parsing: list[Parsing] | None = None,
        pose: list[dict] | None = None,
        garment_parsing: list[Parsing] | None = None,
    ) -> io.NodeOutput:
        from ..imaging import agnostic, body, parse, wearer

        if extent == "fit" and garment_parsing is None:
            return feedback.refused(cls, NEEDS_GARMENT)
        people = tensors.to_pictures(person, "person")
        pairs = tensors.pair(
            person=people, parsing=parsing, pose=pose, garment_parsing=garment_parsing
        )
        parsed = functools.cache(lambda number: parse.parse(people[number]))
        pictures, areas, said = [], [], []
        for index, one in enumerate(pairs):
            # One person may be asked for every garment of the batch.
            known = one["parsing"] or parsed(index % len(people))
            if known.size != one["person"].shape[:2]:
                raise ValueError(_of_another_photo(known, one["person"]))
            garment = one["garment_parsing"]
            try:
                located = wearer.locate(known, one["pose"])
                new = None if garment is None else agnostic.reach(garment, body.locate(garment))
            except ValueError as error:
                return feedback.refused(cls, str(error))
            area = agnostic.area(
                known,
                located,
                (garment or known).region if region == "auto" else region,
                image=one["person"],
                garment=new,
                extent=extent,
            )
            areas.append(area)
            pictures.append(agnostic.picture(one["person"], area.mask))
            if known.kind in STRANGE and one["pose"] is None:
                said.append(NO_PERSON.format(kind=known.kind))
            feedback.progress(index + 1, len(pairs))
        image = tensors.from_pictures(pictures)
        return io.NodeOutput(
            tensors.from_masks([area.mask for area in areas]),
            image,
            tensors.from_masks([area.protected for area in areas]),
            ui=feedback.preview(cls, image, said),
        )


def _of_another_photo(parsing: Parsing, person: np.ndarray) -> str:
    return (
        f"parsing must be {person.shape[0]}x{person.shape[1]} like person, got "
        f"{parsing.size[0]}x{parsing.size[1]}. Connect the parsing of the same photo."
    )
