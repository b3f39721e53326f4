"""The node that gives a mannequin's garment a body; the engines are in inference/."""

import torch
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from ..inference import clearance
from ..inference import engine as engines
from ..inference.order import BACKGROUNDS, KEEP, WARP, Painted, Settings
from ..inference.painter import Progress
from . import asked, documents, feedback, memory, painted, ranking, tensors
from .sockets import PARSING, POSE, SETTINGS

DEFAULT_ENGINE = "flux2-klein"
# The engines that paint bodies, the one that cannot last.
ENGINES = sorted(engines.names(engines.MANNEQUIN_TO_MODEL), key=lambda name: name == "warp")


class MakeModelPhoto(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformModelPhoto",
            display_name="Make Model Photo",
            category="dressform/tryon",
            description=(
                "Paints a body into a garment photographed on a mannequin. The garment's own "
                "pixels stay exactly as photographed; only body, edge and background are painted."
            ),
            search_aliases=["mannequin to model", "on-model", "ai fashion model", "inpaint body"],
            inputs=[
                io.Image.Input("image", tooltip="Photo of the garment on a mannequin."),
                io.Mask.Input(
                    "garment_mask",
                    tooltip="1 on the garment, from Parse Mannequin Photo; these pixels stay.",
                ),
                PARSING.Input(
                    "parsing",
                    optional=True,
                    tooltip="Parsing of the same photo; without it the photo is parsed here.",
                ),
                io.Mask.Input(
                    "repaint_mask",
                    optional=True,
                    tooltip="The only area that may change; without it background decides.",
                ),
                POSE.Input(
                    "pose",
                    optional=True,
                    tooltip="Body keypoints in the photo; without them they are worked out.",
                ),
                io.String.Input(
                    "hints",
                    optional=True,
                    force_input=True,
                    tooltip="Strokes where the body shall be, from Propose Body Hints or Draw "
                    "Hints.",
                ),
                io.Image.Input(
                    "person",
                    optional=True,
                    tooltip="Who shall wear it: a reference for the engines, and what warp lays "
                    "the garment onto.",
                ),
                SETTINGS.Input(
                    "settings",
                    optional=True,
                    tooltip="From Engine Settings; without it everything is chosen by itself.",
                ),
                io.Combo.Input(
                    "engine",
                    options=ENGINES,
                    default=DEFAULT_ENGINE,
                    tooltip="flux2-klein from 12 GB of video memory, qwen-edit best, sdxl-union "
                    "follows the hints from 8 GB, warp needs person and no weights.",
                ),
                asked.usage(),
                asked.prompt(),
                asked.seed(),
                asked.steps(),
                asked.candidates(),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default=KEEP,
                    optional=True,
                    tooltip="keep: only the body and where mannequin and stand were are painted. "
                    "new: all but the garment, as the prompt says.",
                ),
                asked.when_weights_missing(WARP),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The garment on a body."),
                io.Mask.Output(
                    display_name="repainted_mask",
                    tooltip="Above 0 where a pixel may differ from the photo painted on.",
                ),
                io.Mask.Output(
                    display_name="worn_garment",
                    tooltip="How much of each pixel shows the garment; for Check Quality.",
                ),
                *painted.more_outputs(),
                io.Image.Output(
                    display_name="painted_on",
                    tooltip="The photo that was painted on: image, or person for warp; as person "
                    "for Check Quality.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(
        cls,
        hints: str | None = None,
        engine: str | None = DEFAULT_ENGINE,
        usage: str | None = "commercial",
        when_weights_missing: str | None = WARP,
    ) -> bool | str:
        return (
            documents.refusal(hints, "hints")
            or asked.refusal(
                engines.MANNEQUIN_TO_MODEL,
                engine=engine,
                usage=usage,
                when_weights_missing=when_weights_missing,
            )
            or True
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        garment_mask: torch.Tensor,
        engine: str,
        parsing: list[Parsing] | None = None,
        repaint_mask: torch.Tensor | None = None,
        pose: list[dict] | None = None,
        hints: str | None = None,
        person: torch.Tensor | None = None,
        settings: Settings | None = None,
        usage: str = "commercial",
        prompt: str = "",
        seed: int = 0,
        steps: int = 0,
        candidates: int = 1,
        background: str = KEEP,
        when_weights_missing: str = WARP,
    ) -> io.NodeOutput:
        from ..inference import model_photo, painting

        try:
            drawn = None if hints is None else documents.read(hints, "hints")
        except ValueError as error:
            return feedback.refused(cls, str(error))
        order = asked.asked(
            settings,
            engine=engine,
            usage=usage,
            prompt=prompt,
            seed=seed,
            steps=steps,
            candidates=candidates,
            when_weights_missing=when_weights_missing,
        )
        host = memory.host()
        cleared = clearance.clear(order, engines.MANNEQUIN_TO_MODEL, host.folders)
        pairs = tensors.pair(
            image=tensors.to_pictures(image, "image"),
            garment_mask=tensors.to_masks(garment_mask, "garment_mask"),
            parsing=parsing,
            repaint_mask=None
            if repaint_mask is None
            else tensors.to_masks(repaint_mask, "repaint_mask"),
            pose=pose,
            hints=drawn,
            person=None if person is None else tensors.to_pictures(person, "person"),
        )

        def paint(index: int, one: dict, progress: Progress) -> Painted:
            for name in ("garment_mask", "repaint_mask"):
                if one[name] is not None:
                    tensors.require_same_size(one[name], one["image"], name, "image")
            wanted = model_photo.prepare(**one, background=background)
            return painting.model_photo(
                order,
                wanted,
                host,
                progress=progress,
                rank=ranking.by_quality(wanted.image, wanted.parsing, wanted.image),
                cleared=cleared,
            )

        results = painted.each(pairs, paint)
        painted_on = image if person is None or cleared.entry.family != "warp" else person
        return painted.output(cls, painted_on, results, with_photo=True)
