"""The node that dresses a person; the engines are in inference/."""

import functools

import torch
from comfy_api.latest import io

from ..imaging.parsing import REGIONS, Parsing
from ..inference import clearance
from ..inference import engine as engines
from ..inference.order import STOP, Painted, Settings
from ..inference.painter import Progress
from . import asked, documents, feedback, memory, painted, ranking, tensors
from .sockets import PARSING, POSE, SETTINGS


class TryOn(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformTryOn",
            display_name="Try On",
            category="dressform/tryon",
            description=(
                "Puts the garment of one picture on the person of another. Pixels outside the "
                "repainted mask are exactly those of the person's photo."
            ),
            search_aliases=["virtual try-on", "vton", "dress person", "mannequin to model"],
            inputs=[
                io.Image.Input("person", tooltip="Photo of the person who shall wear the garment."),
                io.Image.Input(
                    "garment", tooltip="Picture of the garment, best from Remove Mannequin."
                ),
                io.Mask.Input(
                    "garment_mask",
                    tooltip="1 on the garment in the garment picture, from Parse Mannequin Photo.",
                ),
                PARSING.Input(
                    "garment_parsing",
                    optional=True,
                    tooltip="Parsing of the garment's photo; without it the garment is parsed.",
                ),
                POSE.Input(
                    "pose",
                    optional=True,
                    tooltip="The person's body keypoints; without it they are worked out.",
                ),
                io.String.Input(
                    "hints",
                    optional=True,
                    force_input=True,
                    tooltip="Stroke document for the person's photo, for engines that read one.",
                ),
                io.Mask.Input(
                    "repaint_mask",
                    optional=True,
                    tooltip="The only area that may change; without it the engine decides.",
                ),
                SETTINGS.Input(
                    "settings",
                    optional=True,
                    tooltip="From Engine Settings; without it everything is chosen by itself.",
                ),
                io.Combo.Input(
                    "engine",
                    options=engines.names(engines.TRY_ON),
                    default="warp",
                    tooltip="warp: no weights, any computer, exact colours, folds are not redrawn. "
                    "The others paint anew and need weights.",
                ),
                io.Combo.Input(
                    "region",
                    options=["auto", *REGIONS],
                    default="auto",
                    tooltip="What the garment covers; auto takes it from the garment's parsing.",
                ),
                asked.usage(),
                asked.prompt(),
                asked.seed(),
                asked.steps(),
                asked.candidates(),
                asked.when_weights_missing(STOP),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The person in the garment."),
                io.Mask.Output(
                    display_name="repainted_mask",
                    tooltip="Above 0 where a pixel may differ from the person's photo.",
                ),
                io.Mask.Output(
                    display_name="worn_garment",
                    tooltip="How much of each pixel shows the garment; for Check Quality.",
                ),
                *painted.more_outputs(),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(
        cls,
        hints: str | None = None,
        engine: str | None = "warp",
        usage: str | None = "commercial",
        when_weights_missing: str | None = STOP,
    ) -> bool | str:
        return (
            documents.refusal(hints, "hints")
            or asked.refusal(
                engines.TRY_ON,
                engine=engine,
                usage=usage,
                when_weights_missing=when_weights_missing,
            )
            or True
        )

    @classmethod
    def execute(
        cls,
        person: torch.Tensor,
        garment: torch.Tensor,
        garment_mask: torch.Tensor,
        engine: str,
        region: str,
        garment_parsing: list[Parsing] | None = None,
        pose: list[dict] | None = None,
        hints: str | None = None,
        repaint_mask: torch.Tensor | None = None,
        settings: Settings | None = None,
        usage: str = "commercial",
        prompt: str = "",
        seed: int = 0,
        steps: int = 0,
        candidates: int = 1,
        when_weights_missing: str = STOP,
    ) -> io.NodeOutput:
        from ..imaging import parse
        from ..inference import painting, request

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
        cleared = clearance.clear(order, engines.TRY_ON, host.folders)
        people = tensors.to_pictures(person, "person")
        pairs = tensors.pair(
            person=people,
            garment=tensors.to_pictures(garment, "garment"),
            garment_mask=tensors.to_masks(garment_mask, "garment_mask"),
            garment_parsing=garment_parsing,
            pose=pose,
            hints=drawn,
            repaint_mask=None
            if repaint_mask is None
            else tensors.to_masks(repaint_mask, "repaint_mask"),
        )
        parsed = functools.cache(lambda number: parse.parse(people[number]))

        def paint(index: int, one: dict, progress: Progress) -> Painted:
            tensors.require_same_size(
                one["garment_mask"], one["garment"], "garment_mask", "garment"
            )
            if one["repaint_mask"] is not None:
                tensors.require_same_size(
                    one["repaint_mask"], one["person"], "repaint_mask", "person"
                )
            # One person may wear every garment of the batch.
            wearer = parsed(index % len(people))
            wanted = request.prepare(**one, person_parsing=wearer, region=region)
            rank = ranking.by_quality(wanted.garment, wanted.garment_parsing, wanted.person)
            return painting.dress(
                order, wanted, host, progress=progress, rank=rank, cleared=cleared
            )

        return painted.output(cls, person, painted.each(pairs, paint))
