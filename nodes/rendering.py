"""The node that draws stroke documents: maps for ControlNets, references for editors, masks."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from comfy_api.latest import io

from . import documents, feedback, tensors
from .sockets import POSE

if TYPE_CHECKING:
    from ..imaging.pose import Pose
    from ..imaging.strokes import StrokeDocument

MAX_WORKING_PX = 4096  # long side; no model that reads hints works above 2048


class RenderHints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformRenderHints",
            display_name="Render Hints",
            category="dressform/hints",
            description=(
                "Draws a stroke document as pictures that models read: scribble map and skeleton "
                "for ControlNet, colours on the photo or on plain grey for editors, masks of the "
                "missing parts and of the whole body."
            ),
            search_aliases=[
                "scribble map",
                "draw strokes",
                "stroke mask",
                "openpose",
                "silhouette",
            ],
            inputs=[
                io.String.Input(
                    "hints",
                    force_input=True,
                    tooltip="Stroke document as JSON, from Draw Hints or Propose Body Hints.",
                ),
                io.Image.Input("image", tooltip="The photo the strokes belong to."),
                POSE.Input(
                    "pose",
                    optional=True,
                    tooltip="The whole body, from Propose Body Hints or an OpenPose detector; for "
                    "skeleton and silhouette.",
                ),
                io.Int.Input(
                    "grow_px",
                    default=0,
                    min=0,
                    max=512,
                    step=1,
                    tooltip="Widens the mask by this many pixels; more gives a model more room.",
                ),
                io.Int.Input(
                    "working_px",
                    default=0,
                    min=0,
                    max=MAX_WORKING_PX,
                    step=8,
                    tooltip="Long side of scribble, skeleton and roles: the size the model works "
                    "at, such as 1152 for SDXL. 0: as the photo.",
                ),
                io.Float.Input(
                    "line_px",
                    default=0,
                    min=0,
                    max=64,
                    step=0.5,
                    tooltip="Width of the scribble's lines at that size; scribble ControlNets know "
                    "5 to 14, thinner binds more. 0: as drawn.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="scribble", tooltip="White strokes on black, for ControlNet."
                ),
                io.Image.Output(
                    display_name="hinted_photo", tooltip="The photo with the strokes in colour."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="1 on the strokes and inside closed ones."
                ),
                io.Mask.Output(
                    display_name="silhouette",
                    tooltip="1 on the body: the whole one of the pose, else what the strokes show.",
                ),
                io.Image.Output(
                    display_name="skeleton",
                    tooltip="OpenPose picture of the pose, for ControlNet; black without a pose.",
                ),
                io.Image.Output(
                    display_name="roles",
                    tooltip="Body parts in flat colours on grey, as a reference picture for FLUX.2 "
                    "or Qwen-Image-Edit.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, hints: str | None = None) -> bool | str:
        return documents.refusal(hints, "hints") or True

    @classmethod
    def execute(
        cls,
        hints: str,
        image: torch.Tensor,
        grow_px: int,
        working_px: int = 0,
        line_px: float = 0,
        pose: list[dict] | None = None,
    ) -> io.NodeOutput:
        pictures = tensors.to_pictures(image, "image")
        try:
            read = documents.read(hints, "hints")
            poses = None if pose is None else _poses(pose, pictures[0].shape[:2])
        except ValueError as error:
            return feedback.refused(cls, str(error))
        pairs = tensors.pair(image=pictures, hints=read, pose=poses)
        drawn = []
        for index, one in enumerate(pairs):
            drawn.append(_draw(**one, grow_px=grow_px, working_px=working_px, line_px=line_px))
            feedback.progress(index + 1, len(pairs))
        hinted = tensors.from_pictures([one.hinted_photo for one in drawn])
        return io.NodeOutput(
            tensors.from_pictures([one.scribble for one in drawn]),
            hinted,
            tensors.from_masks([one.mask for one in drawn]),
            tensors.from_masks([one.silhouette for one in drawn]),
            tensors.from_pictures([one.skeleton for one in drawn]),
            tensors.from_pictures([one.roles for one in drawn]),
            ui=feedback.preview(cls, hinted, [line for one in drawn for line in one.doubts]),
        )


class _Drawn(NamedTuple):
    """All pictures of one document; the outputs of the node, and its sentences."""

    scribble: np.ndarray
    hinted_photo: np.ndarray
    mask: np.ndarray
    silhouette: np.ndarray
    skeleton: np.ndarray
    roles: np.ndarray
    doubts: list[str]


def _draw(
    image: np.ndarray,
    hints: "StrokeDocument",
    pose: "Pose | None",
    *,
    grow_px: int,
    working_px: int,
    line_px: float,
) -> _Drawn:
    from ..imaging import body, scribble
    from ..imaging.pose import NAMES

    photo = image.shape[:2]
    size = scribble.working_size(photo, working_px)
    whole = pose is not None and len(pose.keypoints) == len(NAMES)
    figure = body.silhouette(pose) if pose is not None and whole else None
    return _Drawn(
        scribble.render(hints, size, line_px=line_px),
        scribble.draw_on(image, hints),
        scribble.mask(hints, photo, grow_px=grow_px),
        scribble.mask(hints, photo) if figure is None else figure,
        np.zeros((*size, 3), np.uint8) if pose is None else scribble.skeleton(pose, size),
        scribble.roles(hints, size, figure),
        [*_misfit(hints, photo), *_without(pose)],
    )


def _poses(frames: list[dict], size: tuple[int, int]) -> list["Pose"]:
    """Reads POSE_KEYPOINT frames; joints that a detector missed are missing here too.

    Raises:
        ValueError: a frame holds no person.
    """
    from ..imaging.pose import Pose, from_openpose

    listed = frames if isinstance(frames, list) else [frames]
    return [Pose(*size, from_openpose(frame, size)) for frame in listed]


def _misfit(hints: "StrokeDocument", photo: tuple[int, int]) -> list[str]:
    height, width = photo
    if hints.height * width == hints.width * height:
        return []
    return [
        f"The hints are for {hints.width} x {hints.height} pixels, not {width} x {height}: "
        "propose again."
    ]


def _without(pose: "Pose | None") -> list[str]:
    """Says what lacks; under a node of usual width stand two lines of some 35 letters."""
    from ..imaging.pose import NAMES

    if pose is None:
        return ["No pose is connected: the skeleton is black, the silhouette rough."]
    if len(pose.keypoints) < len(NAMES):
        return [
            f"The pose has {len(pose.keypoints)} of {len(NAMES)} joints: the silhouette is rough."
        ]
    return []
