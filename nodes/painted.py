"""What both painting nodes give: pictures, masks and the report, of a whole batch."""

import json
from collections.abc import Callable, Sequence

import torch
from comfy_api.latest import io

from ..inference.order import Painted
from ..inference.painter import Progress
from . import feedback, memory, tensors


def more_outputs() -> list[io.Output]:
    """Returns the outputs after image, repainted_mask and worn_garment."""
    return [
        io.Mask.Output(
            display_name="generated",
            tooltip="1 where a pixel was photographed nowhere; for Save Product.",
        ),
        io.Image.Output(
            display_name="candidates",
            tooltip="All pictures of the seeds, the best first; picture by picture for a batch.",
        ),
        io.String.Output(
            display_name="report",
            tooltip="Engine, weights with licences, seeds, scores and times as JSON; for a batch, "
            "a list.",
        ),
    ]


def each(pairs: Sequence[dict], paint: Callable[[int, dict, Progress], Painted]) -> list[Painted]:
    """Paints every picture of a batch; the bar runs over all of them."""
    results = []
    for index, one in enumerate(pairs):

        def step(done: int, total: int, index: int = index) -> None:
            feedback.progress(index * total + done, len(pairs) * total)

        try:
            results.append(paint(index, one, step))
        finally:
            memory.show_engines()
    return results


def output(
    node: type[io.ComfyNode],
    photo: torch.Tensor,
    results: Sequence[Painted],
    *,
    with_photo: bool = False,
) -> io.NodeOutput:
    """Returns the node's outputs.

    Args:
        node: Whose they are.
        photo: (B or 1, H, W, 3 or 4) IMAGE that was painted on.
        results: Of each picture of the batch; all with as many images.
        with_photo: Whether the photo itself is the last output, once for each picture.
    """
    masks = [one.repainted for one in results]
    best = tensors.stitch(photo, [one.images[0] for one in results], masks)
    count = len(results[0].images)
    candidates = best
    if count > 1:
        base = photo.expand(len(results), -1, -1, -1).repeat_interleave(count, 0)
        candidates = tensors.stitch(
            base,
            [image for one in results for image in one.images],
            [one.repainted for one in results for _ in range(count)],
        )
    reports = [one.report for one in results]
    return io.NodeOutput(
        best,
        tensors.from_masks(masks),
        tensors.from_masks([one.garment for one in results]),
        tensors.from_masks([one.generated for one in results]),
        candidates,
        json.dumps(reports if len(reports) > 1 else reports[0], ensure_ascii=False),
        *([_opaque(photo, len(results))] if with_photo else []),
        ui=feedback.preview(node, best, [line for one in results for line in one.warnings]),
    )


def _opaque(photo: torch.Tensor, count: int) -> torch.Tensor:
    """Returns a photo as the pictures painted on it have it where nothing was painted."""
    colors = photo[..., :3]
    size = (count, *colors.shape[1:3], 3)
    return colors.float().expand(size).clone()
