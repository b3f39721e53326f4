"""The node that makes a ghost mannequin: the garment with an inside, and nothing that held it."""

import torch
from comfy_api.latest import io

from ..imaging import studio
from ..imaging.parsing import Parsing
from . import feedback, tensors
from .sockets import PARSING


class MakeGhostMannequin(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformGhostMannequin",
            display_name="Make Ghost Mannequin",
            category="dressform/mannequin",
            description=(
                "Removes the mannequin and fills neck, sleeves and hem with the garment's inside, "
                "from a second photo or made up. Tells for each pixel which of these it is."
            ),
            search_aliases=["ghost mannequin", "invisible mannequin", "hollow man", "neck joint"],
            inputs=[
                io.Image.Input("image", tooltip="The photo that was parsed."),
                PARSING.Input("parsing", tooltip="From Parse Mannequin Photo, of the same photo."),
                io.Image.Input(
                    "inside_image",
                    optional=True,
                    tooltip="Photo of the inside of the back, neckline in full, any size; without "
                    "it the inside is made up.",
                ),
                PARSING.Input(
                    "inside_parsing",
                    optional=True,
                    tooltip="Parsing of inside_image; without it the inside photo is parsed here.",
                ),
                io.Image.Input(
                    "backdrop",
                    optional=True,
                    tooltip="Stands behind the garment where background is picture.",
                ),
                io.Combo.Input(
                    "method",
                    options=list(studio.GHOST_METHODS),
                    default="complete",
                    tooltip="complete: cloth, light and neckband. generator: a smooth base for a "
                    "diffusion model to repaint.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(studio.STAGES),
                    default="white",
                    tooltip="What stands behind the garment; keep fills the photo's own backdrop, "
                    "studio is white with its shadow.",
                ),
                io.String.Input(
                    "color",
                    default="#f2f2f2",
                    optional=True,
                    tooltip="Used where background is color: six hexadecimal digits, red, green "
                    "and blue.",
                ),
                io.Combo.Input(
                    "fabric",
                    options=list(studio.FABRICS),
                    default="opaque",
                    optional=True,
                    tooltip="sheer also looks for the old background through lace, tulle and "
                    "other cloth that can be seen through.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The garment as if worn by nobody."),
                io.Mask.Output(
                    display_name="garment_alpha",
                    tooltip="How much of each pixel is garment, with its inside; soft at edges.",
                ),
                io.Mask.Output(
                    display_name="generated",
                    tooltip="1 where a pixel was made up, in whole or in part; for Save Product.",
                ),
                io.Mask.Output(
                    display_name="repaint_mask",
                    tooltip="1 on what a diffusion model may repaint: the openings and a band "
                    "around them.",
                ),
                io.Mask.Output(
                    display_name="second_photo",
                    tooltip="1 where a pixel was taken from inside_image; for Save Product.",
                ),
                io.Image.Output(
                    display_name="overlay",
                    tooltip="The picture with made-up pixels in orange and those of the second "
                    "photo in blue.",
                ),
                io.Image.Output(
                    display_name="foreground",
                    tooltip="The garment's colours without any background's, also under soft "
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
        method: str,
        background: str,
        color: str = "#f2f2f2",
        fabric: str = "opaque",
        inside_image: torch.Tensor | None = None,
        inside_parsing: list[Parsing] | None = None,
        backdrop: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from ..imaging import ghost, provenance

        pairs = tensors.pair(
            image=tensors.to_pictures(image, "image"),
            parsing=parsing,
            inside_image=_pictures(inside_image, "inside_image"),
            inside_parsing=None if inside_image is None else inside_parsing,
            backdrop=_pictures(backdrop, "backdrop"),
        )
        plain = studio.color(color) if background == "color" else studio.WHITE
        ghosts = []
        for index, one in enumerate(pairs):
            tensors.require_same_size(one["parsing"].label_map, one["image"], "parsing", "image")
            if one["inside_parsing"] is not None:
                tensors.require_same_size(
                    one["inside_parsing"].label_map,
                    one["inside_image"],
                    "inside_parsing",
                    "inside_image",
                )
            ghosts.append(
                ghost.complete(
                    one["image"],
                    one["parsing"],
                    background=background,
                    color=plain,
                    picture=one["backdrop"],
                    fabric=fabric,
                    method=method,
                    inside=one["inside_image"],
                    inside_parsing=one["inside_parsing"],
                )
            )
            feedback.progress(index + 1, len(pairs))
        shown = tensors.from_pictures([one.image for one in ghosts])
        overlay = tensors.from_pictures([provenance.legend(g.image, g.sources) for g in ghosts])
        # What went wrong comes first: the editor shows a few lines.
        texts = [
            text for one in ghosts for text in (*one.warnings, provenance.summary(one.sources))
        ]
        return io.NodeOutput(
            shown,
            tensors.from_masks([one.alpha for one in ghosts]),
            tensors.from_masks([one.sources == provenance.INVENTED for one in ghosts]),
            tensors.from_masks([one.repaint for one in ghosts]),
            tensors.from_masks([one.sources == provenance.SECOND_PHOTO for one in ghosts]),
            overlay,
            tensors.from_pictures([one.foreground for one in ghosts]),
            ui=feedback.preview(cls, torch.cat([shown, overlay]), texts),
        )


def _pictures(image: torch.Tensor | None, name: str) -> list | None:
    return None if image is None else tensors.to_pictures(image, name)
