"""The node that takes a haze off a garment again and proves it."""

import json

import torch
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from . import feedback, tensors
from .sockets import PARSING


class RepairVeil(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformRepairVeil",
            display_name="Repair Veil",
            category="dressform/quality",
            description=(
                "Takes a pale haze off the garment: measures it against the photo, undoes just "
                "that, and measures again. Says the number before and after; what cannot be "
                "measured is refused."
            ),
            search_aliases=["dehaze", "haze", "washed out", "contrast", "fog"],
            inputs=[
                io.Image.Input("image", tooltip="The hazy picture."),
                io.Image.Input("source", tooltip="The photo of the garment it was made from."),
                PARSING.Input("parsing", tooltip="Parsing of the source photo."),
                io.Mask.Input(
                    "worn_garment",
                    optional=True,
                    tooltip="Of Try On: where the garment is in image. Not needed where it is at "
                    "the photo's place.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where to take the haze off; soft masks count. Without it the garment.",
                ),
                io.Float.Input(
                    "amount",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the measured haze to take off: 1 all of it, 0 nothing.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image",
                    tooltip="The clear picture; outside the mask bit for bit as it came.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Veil and clipping before and after, as JSON; for a batch, a list.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        source: torch.Tensor,
        parsing: list[Parsing],
        amount: float,
        worn_garment: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from ..quality import veil_repair

        masks = {"worn_garment": worn_garment, "mask": mask}
        pairs = tensors.pair(
            image=tensors.to_levels(image, "image"),
            source=tensors.to_pictures(source, "source"),
            parsing=parsing,
            **{n: None if t is None else tensors.to_masks(t, n) for n, t in masks.items()},
        )
        found = []
        for index, one in enumerate(pairs):
            try:
                found.append(_repaired(**one, amount=amount))
            except ValueError as error:
                number = f"Picture {index + 1}: " if len(pairs) > 1 else ""
                return feedback.refused(cls, f"{number}{error}")
            feedback.progress(index + 1, len(pairs))
        cleared = tensors.from_levels([one.image for one in found])
        documents = [veil_repair.to_json(one) for one in found]
        return io.NodeOutput(
            cleared,
            json.dumps(documents if len(documents) > 1 else documents[0], ensure_ascii=False),
            ui=feedback.preview(cls, cleared, [one.sentence for one in found]),
        )


def _repaired(image, source, parsing: Parsing, worn_garment, mask, amount: float):
    from ..quality import veil_repair

    if source.shape[:2] != parsing.size:
        tensors.require_same_size(parsing.garment, source, "parsing", "source")
    for name, one in (("worn_garment", worn_garment), ("mask", mask)):
        if one is not None:
            tensors.require_same_size(one, image, name, "image")
    garment = veil_repair.place(image, source, parsing.garment)
    if worn_garment is not None:
        garment = worn_garment > 0.5
    if garment is None:
        raise ValueError(
            "worn_garment is required, got none, and the garment is not where it is in the "
            "photo. Connect worn_garment of Try On."
        )
    return veil_repair.repair(image, source, garment, parsing.garment, area=mask, amount=amount)
