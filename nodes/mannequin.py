"""Nodes for the mannequin photo: what is in it, and the photo without the mannequin."""

import comfy.model_management
import torch
from comfy_api.latest import io

from ..imaging import studio
from ..imaging.parsing import Parsing
from ..inference.segmenters import registry
from . import documents, feedback, said, tensors, weights
from .sockets import PARSING

BUILT_IN = "built-in"


class ParsePhoto(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformParsePhoto",
            display_name="Parse Mannequin Photo",
            category="dressform/mannequin",
            description=(
                "Finds the garment, the mannequin, its stand and the garment's inside in a "
                "product photo. Start here; the other Dressform nodes use the parsing."
            ),
            search_aliases=["mannequin", "segment garment", "ghost mannequin", "clothes mask"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="Photo of a garment on a mannequin, dress form or hanger, or flat.",
                ),
                io.String.Input(
                    "corrections",
                    optional=True,
                    force_input=True,
                    tooltip="Strokes through what a first parsing got wrong, as a stroke document "
                    "with the roles garment, mannequin, background.",
                ),
                io.Mask.Input(
                    "keep",
                    optional=True,
                    tooltip="Paint over garment that was missed; a line through it is enough.",
                ),
                io.Mask.Input(
                    "drop",
                    optional=True,
                    tooltip="Paint over what was wrongly taken for garment; a line is enough.",
                ),
                io.Combo.Input(
                    "engine",
                    options=[BUILT_IN, *registry.ENGINES],
                    default=BUILT_IN,
                    optional=True,
                    tooltip="built-in needs nothing; the others need weights in models/dressform "
                    "and a fast computer, and help with unusual photos.",
                ),
            ],
            outputs=[
                PARSING.Output(
                    display_name="parsing",
                    tooltip="Label map, kind of photo, confidence and warnings, for other nodes.",
                ),
                io.Mask.Output(display_name="garment", tooltip="1 on the outside of the garment."),
                io.Mask.Output(
                    display_name="mannequin",
                    tooltip="1 on the mannequin: body, neck, head and limbs, without its stand.",
                ),
                io.Mask.Output(
                    display_name="support", tooltip="1 on the stand, pole, base or hanger."
                ),
                io.Mask.Output(
                    display_name="interior",
                    tooltip="1 on the garment's inside, seen through neck, sleeves or hem.",
                ),
                io.Float.Output(
                    display_name="confidence",
                    tooltip="0.0 to 1.0, the least certain picture of the batch; below 0.5, look.",
                ),
                io.Image.Output(
                    display_name="overlay", tooltip="The photo with the parsing laid on in colour."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(
        cls, engine: str | None = BUILT_IN, corrections: str | None = None
    ) -> bool | str:
        refusal = documents.refusal(corrections, "corrections") if corrections else None
        if refusal:
            return refusal
        if engine in (None, BUILT_IN):  # None: the choice comes over a link
            return True
        if engine not in registry.ENGINES:
            return (
                f"engine must be one of {', '.join(registry.ENGINES)} or {BUILT_IN}, got {engine}."
            )
        return registry.missing(engine, weights.folder(registry.file(engine))) or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        corrections: str | None = None,
        keep: torch.Tensor | None = None,
        drop: torch.Tensor | None = None,
        engine: str = BUILT_IN,
    ) -> io.NodeOutput:
        from ..imaging import overlay, parse

        try:
            drawn = said.read(corrections)
        except ValueError as error:
            return feedback.refused(cls, str(error))
        segment = None
        if engine != BUILT_IN:
            device = str(comfy.model_management.get_torch_device())
            segment = registry.load(engine, weights.folder(registry.file(engine)), device)
        pairs = said.by_picture(image, drawn, keep, drop)
        pictures = [one.picture for one in pairs]
        parsings: list[Parsing] = []
        for index, one in enumerate(pairs):
            parsing = parse.parse(one.picture, corrections=one.corrections, segment=segment)
            parsings.append(parsing._replace(warnings=(*one.doubts, *parsing.warnings)))
            feedback.progress(index + 1, len(pairs))
        shown = tensors.from_pictures(
            [
                overlay.labels_on_photo(picture, parsing.label_map)
                for picture, parsing in zip(pictures, parsings, strict=True)
            ]
        )
        return io.NodeOutput(
            parsings,
            tensors.from_masks([parsing.garment for parsing in parsings]),
            tensors.from_masks([parsing.mannequin for parsing in parsings]),
            tensors.from_masks([parsing.support for parsing in parsings]),
            tensors.from_masks([parsing.interior for parsing in parsings]),
            min(parsing.confidence for parsing in parsings),
            shown,
            ui=feedback.preview(
                cls, shown, [line for parsing in parsings for line in parsing.warnings]
            ),
        )


class RemoveMannequin(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformRemoveMannequin",
            display_name="Remove Mannequin",
            category="dressform/mannequin",
            description=(
                "Cuts the garment free with soft edges: mannequin and stand go, necks and sleeves "
                "stay open. Nothing is made up but small holes where an arm or pole crosses."
            ),
            search_aliases=["cut out", "matting", "remove background", "clean up", "packshot"],
            inputs=[
                io.Image.Input("image", tooltip="The photo that was parsed."),
                PARSING.Input("parsing", tooltip="From Parse Mannequin Photo, of the same photo."),
                io.Image.Input(
                    "backdrop",
                    optional=True,
                    tooltip="For the background picture: scaled to cover the photo, and cropped.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(studio.STAGES),
                    default="white",
                    tooltip="keep: the photo's own. studio: white with the photo's shadow. "
                    "transparent: white, for Save Product or an inverted alpha in Join.",
                ),
                io.String.Input(
                    "color",
                    default="#ffffff",
                    optional=True,
                    tooltip="For the background color: red, green and blue in hex, as #f2f2f2.",
                ),
                io.Combo.Input(
                    "fabric",
                    options=list(studio.FABRICS),
                    default="opaque",
                    optional=True,
                    tooltip="sheer also looks for the old background through cloth near the edges; "
                    "opaque keeps pale trims solid.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The garment alone."),
                io.Mask.Output(
                    display_name="garment_alpha",
                    tooltip="How much of each pixel is garment; soft at the edges.",
                ),
                io.Mask.Output(
                    display_name="repaint_mask",
                    tooltip="1 where a body should appear, or where cloth was made up; a diffusion "
                    "model may paint there.",
                ),
                io.Image.Output(
                    display_name="foreground",
                    tooltip="The garment's colours without the old background's, also under soft "
                    "edges; save it with garment_alpha as RGBA.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(
        cls, background: str | None = "white", color: str | None = None
    ) -> bool | str:
        return studio.complaint(background, color) or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        parsing: list[Parsing],
        background: str,
        backdrop: torch.Tensor | None = None,
        color: str = "#ffffff",
        fabric: str = "opaque",
    ) -> io.NodeOutput:
        from ..imaging import cutout

        pairs = tensors.pair(
            image=tensors.to_pictures(image, "image"),
            parsing=parsing,
            picture=None if backdrop is None else tensors.to_pictures(backdrop, "backdrop"),
        )
        paper = studio.color(color) if background == "color" else studio.WHITE
        found = []
        for index, one in enumerate(pairs):
            tensors.require_same_size(one["parsing"].label_map, one["image"], "parsing", "image")
            found.append(cutout.remove(**one, background=background, color=paper, fabric=fabric))
            feedback.progress(index + 1, len(pairs))
        cleaned = tensors.from_pictures([one.image for one in found])
        return io.NodeOutput(
            cleaned,
            tensors.from_masks([one.alpha for one in found]),
            tensors.from_masks([one.repaint for one in found]),
            tensors.from_pictures([one.foreground for one in found]),
            ui=feedback.preview(cls, cleaned),
        )
