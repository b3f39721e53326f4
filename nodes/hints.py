"""Nodes for hints: the strokes that show a generative model the missing body."""

from comfy_api.latest import io

from ..imaging.parsing import Parsing
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
            ],
        )

    @classmethod
    def execute(cls, parsing: list[Parsing], all_parts: bool) -> io.NodeOutput:
        from ..imaging import body, hints, pose, strokes

        poses = [body.locate(one) for one in parsing]
        documents = [
            strokes.to_json(hints.propose(one, located, all_parts=all_parts, photo=one.photo))
            for one, located in zip(parsing, poses, strict=True)
        ]
        return io.NodeOutput(join(documents), [pose.to_openpose(one) for one in poses])
