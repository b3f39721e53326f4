"""The nodes that have one step of a local workflow run on a hosted server."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from comfy_api.latest import io

from ..imaging.parsing import REGIONS
from ..inference import engine as engines
from . import asked, documents, feedback, hosted_graphs, hosted_step, tensors
from .cloud_graph import Place
from .hosted_step import Done, HostedError

MAX_CREDITS = 100_000.0


class HostedTryOn(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformHostedTryOn",
            display_name="Try On (Hosted)",
            category="dressform/hosted",
            description=(
                "Does what Try On does on a hosted GPU: sends the pictures to the server that the "
                "sidebar Dressform Cloud is connected to, and gives back the result."
            ),
            search_aliases=["cloud", "remote", "hosted try-on", "rented gpu"],
            inputs=[
                io.Image.Input("person", tooltip="Photo of the person who shall wear the garment."),
                io.Image.Input(
                    "garment", tooltip="Picture of the garment, best from Remove Mannequin."
                ),
                io.Mask.Input(
                    "garment_mask",
                    tooltip="1 on the garment in the garment picture, from Parse Mannequin Photo.",
                ),
                io.String.Input(
                    "hints",
                    optional=True,
                    force_input=True,
                    tooltip="Stroke document for the person's photo, for engines that read one.",
                ),
                io.Combo.Input(
                    "engine",
                    options=engines.names(engines.TRY_ON),
                    default="warp",
                    tooltip="As in Try On; the weights are the server's, none are needed here.",
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
                max_cost(),
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
                cost(),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    async def execute(
        cls,
        person: torch.Tensor,
        garment: torch.Tensor,
        garment_mask: torch.Tensor,
        engine: str,
        region: str,
        hints: str | None = None,
        usage: str = "commercial",
        prompt: str = "",
        seed: int = 0,
        steps: int = 0,
        max_cost: float = 5.0,
    ) -> io.NodeOutput:
        pairs = tensors.pair(
            person=tensors.to_pictures(person, "person"),
            garment=tensors.to_pictures(garment, "garment"),
            garment_mask=tensors.to_masks(garment_mask, "garment_mask"),
            hints=None if hints is None else documents.split(hints, "hints"),
        )
        widgets = {"engine": engine, "region": region, "usage": usage, "prompt": prompt}
        widgets |= {"seed": seed, "steps": steps, "candidates": 1}
        jobs = []
        try:
            for one in pairs:
                mask = one["garment_mask"]
                tensors.require_same_size(mask, one["garment"], "garment_mask", "garment")
                graph, places = hosted_graphs.try_on(one["hints"], **widgets)
                sent = {**one, "garment_mask": (mask * 255).round().astype(np.uint8)}
                jobs.append((graph, {place: sent[name] for name, place in places.items()}))
            done = await _all(cls, jobs, "Try On", max_cost)
            results = [
                [_only(one, node) for one in done]
                for node in (hosted_graphs.RESULT, hosted_graphs.REPAINTED, hosted_graphs.WORN)
            ]
        except (HostedError, ValueError) as error:
            return feedback.refused(cls, str(error))
        masks = [[one[..., 0].astype(np.float32) / 255 for one in some] for some in results[1:]]
        # ComfyUI's own values outside, as Try On gives them.
        image = tensors.stitch(person, results[0], masks[0])
        return io.NodeOutput(
            image,
            *(tensors.from_masks(some) for some in masks),
            sum(one.cost for one in done),
            ui=feedback.preview(cls, image, [one.sentence for one in done]),
        )


class HostedWorkflow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = hosted_graphs.names()
        return io.Schema(
            node_id="DressformHostedWorkflow",
            display_name="Run Workflow (Hosted)",
            category="dressform/hosted",
            description=(
                "Runs a whole workflow on a hosted GPU as one step of this one. Takes a shipped "
                "workflow, or one that you saved with Export (API) in models/dressform/workflows."
            ),
            search_aliases=["cloud", "remote", "hosted workflow", "rented gpu"],
            inputs=[
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="For the first Load Image of the workflow; without it its own file.",
                ),
                io.Image.Input(
                    "second_image",
                    optional=True,
                    tooltip="For the second Load Image of the workflow; without it its own file.",
                ),
                io.Image.Input(
                    "third_image",
                    optional=True,
                    tooltip="For the third Load Image of the workflow; without it its own file.",
                ),
                io.Combo.Input(
                    "workflow",
                    options=names,
                    default=names[0],
                    tooltip="By name, from models/dressform/workflows or of those shipped.",
                ),
                io.String.Input(
                    "result_node",
                    default="",
                    tooltip="Id or title of the node whose pictures come out; empty: the first "
                    "that has some.",
                ),
                io.Int.Input(
                    "seed",
                    default=-1,
                    min=-1,
                    max=asked.MAX_SEED,
                    step=1,
                    control_after_generate=False,  # else the editor would change it by its name
                    tooltip="Put into every seed of the workflow; -1 leaves them as they are.",
                ),
                max_cost(),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="Pictures of the result node."),
                io.String.Output(
                    display_name="text", tooltip="What nodes of the workflow said in words."
                ),
                cost(),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    async def execute(
        cls,
        workflow: str,
        image: torch.Tensor | None = None,
        second_image: torch.Tensor | None = None,
        third_image: torch.Tensor | None = None,
        result_node: str = "",
        seed: int = -1,
        max_cost: float = 5.0,
    ) -> io.NodeOutput:
        try:
            told = hosted_graphs.load(workflow)
            graph = hosted_graphs.seeded(hosted_graphs.graph_of(told), seed)
            given = {"image": image, "second_image": second_image, "third_image": third_image}
            jobs = [(graph, one) for one in _placed(graph, given)]
            done = await _all(cls, jobs, workflow, max_cost)
            node = hosted_graphs.result(told, result_node.strip(), set(done[0].pictures))
            pictures = [one for each in done for one in each.pictures.get(node, [])]
        except (HostedError, ValueError) as error:
            return feedback.refused(cls, str(error))
        same = [one for one in pictures if one.shape == pictures[0].shape]
        said = [text for one in done for texts in one.texts.values() for text in texts]
        result = tensors.from_pictures(same)
        notes = [one.sentence for one in done]
        if len(same) < len(pictures):
            notes.append(f"{len(pictures) - len(same)} pictures of other sizes were left out.")
        return io.NodeOutput(
            result,
            "\n".join(said),
            sum(one.cost for one in done),
            ui=feedback.preview(cls, result, notes),
        )


def max_cost() -> io.Float.Input:
    return io.Float.Input(
        "max_cost",
        default=5.0,
        min=0.0,
        max=MAX_CREDITS,
        step=0.1,
        optional=True,  # ComfyUI places required widgets before those that are not
        tooltip="In credits, for all pictures together; where more is expected, nothing is sent "
        "and nothing reserved, and a run that comes to need more is ended before.",
    )


def cost() -> io.Float.Output:
    return io.Float.Output(display_name="cost", tooltip="What it has cost, in credits.")


async def _all(
    node: type[io.ComfyNode],
    jobs: Sequence[tuple[Mapping[str, dict], Mapping[Place, np.ndarray]]],
    label: str,
    most: float,
) -> list[Done]:
    """Runs one after the other; each gets an equal part of what all may cost together."""
    id_ = str(node.hidden.unique_id if node.hidden else "")
    done: list[Done] = []
    for index, (graph, pictures) in enumerate(jobs):

        async def bar(share: float, index: int = index) -> None:
            await hosted_step.progress((index + share) / len(jobs))

        left = (most - sum(one.cost for one in done)) / (len(jobs) - index)
        about = {"part": f"{id_} {index}", "label": label, "max_cost": left}
        done.append(await hosted_step.run(graph, pictures, **about, bar=bar))
    hosted_step.given(done)
    return done


def _placed(
    graph: Mapping[str, dict], given: Mapping[str, torch.Tensor | None]
) -> list[dict[Place, np.ndarray]]:
    """Pairs the batches that are connected with the places of the workflow, picture by picture.

    Raises:
        ValueError: the workflow loads fewer pictures than are connected.
    """
    places = hosted_graphs.loaders(graph)
    named = dict(zip(given, places, strict=False))
    extra = [name for name, one in given.items() if one is not None and name not in named]
    if extra:
        raise ValueError(
            f"the workflow must load as many pictures as are connected, got {len(places)} Load "
            f"Image nodes. Disconnect {', '.join(extra)}."
        )
    batches = {
        name: tensors.to_pictures(one, name) for name, one in given.items() if one is not None
    }
    if not batches:
        return [{}]
    return [
        {named[name]: picture for name, picture in one.items()} for one in tensors.pair(**batches)
    ]


def _only(done: Done, node: str) -> np.ndarray:
    try:
        (picture,) = done.pictures[node]
    except (KeyError, ValueError):
        raise HostedError("the hosted run must give one picture, got none or more.") from None
    return picture
