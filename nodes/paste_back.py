"""The node that puts what any model painted back on the photo, exactly."""

import torch
from comfy_api.latest import io

from . import feedback, tensors

# As `imaging.paste_back.COLORS`, which OpenCV comes with; a test compares.
COLORS = ("match", "as painted")


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformPasteBack",
            display_name="Paste Back",
            category="dressform/tryon",
            description=(
                "Lays what a sampler painted over the photo it was made from: pixels outside the "
                "mask and inside the garment stay exactly those of the photo. Counts the proof."
            ),
            search_aliases=["stitch", "composite", "uncrop", "garment lock", "inpaint paste"],
            inputs=[
                io.Image.Input("photo", tooltip="The photo that was to be painted on, full size."),
                io.Image.Input(
                    "painted",
                    tooltip="The whole photo as a model painted it, such as from VAE Decode; any "
                    "size.",
                ),
                io.Mask.Input(
                    "mask", tooltip="Where the photo may change; it is feathered inward."
                ),
                io.Mask.Input(
                    "garment",
                    optional=True,
                    tooltip="garment_alpha of Remove Mannequin: the photographed garment, which "
                    "stays as it is.",
                ),
                io.Combo.Input(
                    "colors",
                    options=list(COLORS),
                    default="match",
                    tooltip="match: undo the model's drift of colour, measured outside the mask. "
                    "as painted: leave it.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The photo with the new part in it."),
                io.Mask.Output(
                    display_name="repainted_mask",
                    tooltip="Above 0 where a pixel may differ from the photo.",
                ),
                io.Mask.Output(
                    display_name="generated",
                    tooltip="How much of each pixel was photographed nowhere; for Save Product.",
                ),
                io.Int.Output(
                    display_name="changed_outside",
                    tooltip="Pixels that differ outside repainted_mask, counted: the proof is 0.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        photo: torch.Tensor,
        painted: torch.Tensor,
        mask: torch.Tensor,
        colors: str,
        garment: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from ..imaging import crop, paste_back

        pairs = tensors.pair(
            photo=tensors.to_pictures(photo, "photo"),
            painted=tensors.to_pictures(painted, "painted"),
            mask=tensors.to_masks(mask, "mask"),
            garment=None if garment is None else tensors.to_masks(garment, "garment"),
        )
        pasted = []
        for index, one in enumerate(pairs):
            pasted.append(paste_back.paste(**one, colors=colors))
            feedback.progress(index + 1, len(pairs))
        repainted = [one.repainted for one in pasted]
        image = tensors.stitch(photo, [one.image for one in pasted], repainted)
        before = photo[..., :3].float().cpu().expand(image.shape)
        changed = sum(
            crop.changed_outside(old.numpy(), new.numpy(), part)
            for old, new, part in zip(before, image.cpu(), repainted, strict=True)
        )
        return io.NodeOutput(
            image,
            tensors.from_masks(repainted),
            tensors.from_masks([one.generated for one in pasted]),
            changed,
            ui=feedback.preview(cls, image, [_sentence(changed, repainted)]),
        )


def _sentence(changed: int, repainted: list) -> str:
    if not any(part.any() for part in repainted):
        return "The mask selects nothing beside the garment: the picture is the photo itself."
    share = sum(float((part > 0).mean()) for part in repainted) / len(repainted)
    return f"{share:.0%} of the photo may have changed; outside of it {changed} pixels differ."
