"""Nodes for hints: the strokes that show a generative model the missing body."""

from comfy_api.latest import io

from ..imaging.anatomy import builds, stances
from ..imaging.parsing import Parsing
from . import tensors
from .documents import join
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
                io.Combo.Input(
                    "proportions",
                    options=list(builds.BUILDS),
                    default="auto",
                    optional=True,
                    tooltip="Whose body: changes head, neck, shoulders and girth of what the photo "
                    "lacks. auto: the age that the garment implies, neither woman nor man.",
                ),
                io.Combo.Input(
                    "stance",
                    options=list(stances.STANCES),
                    default="implied",
                    optional=True,
                    tooltip="What missing arms and legs do. Limbs that show or that a sleeve holds "
                    "stay where they are.",
                ),
                io.Combo.Input(
                    "head_turn",
                    options=list(stances.HEAD_TURNS),
                    default="as the body",
                    optional=True,
                    tooltip="Where a missing head looks; left and right are the person's own.",
                    advanced=True,
                ),
                io.Boolean.Input(
                    "mirrored",
                    default=False,
                    optional=True,
                    tooltip="Off: the right hand rests on the hip, the right leg steps forward. "
                    "On: the left.",
                    advanced=True,
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
                io.Mask.Output(
                    display_name="silhouette",
                    tooltip="1 on the whole body without clothes, in the pose of the strokes.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        parsing: list[Parsing],
        all_parts: bool,
        proportions: str = "auto",
        stance: str = "implied",
        head_turn: str = "as the body",
        mirrored: bool = False,
    ) -> io.NodeOutput:
        from ..imaging import body, hints, pose, strokes

        figures = [
            hints.settle(
                one,
                body.locate(one),
                proportions=proportions,
                stance=stance,
                head_turn=head_turn,
                mirrored=mirrored,
            )
            for one in parsing
        ]
        documents = [
            strokes.to_json(hints.draw(one, figure, all_parts=all_parts, photo=one.photo))
            for one, figure in zip(parsing, figures, strict=True)
        ]
        return io.NodeOutput(
            join(documents),
            [pose.to_openpose(one.turned) for one in figures],
            tensors.from_masks([body.silhouette(one.body) for one in figures]),
        )
