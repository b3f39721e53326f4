"""The node that lets good pictures through, has bad ones made again, and keeps the worst back."""

import json
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from . import feedback, review

# As `quality.gate.ACCEPT`; a test compares.
ACCEPT = ("pass or warn", "pass")
# Every try: the socket of its picture and that of its verdict.
TRIES = (
    ("image", "verdict"),
    ("retry", "retry_verdict"),
    ("second_retry", "second_retry_verdict"),
    ("third_retry", "third_retry_verdict"),
)
SCHEMA = "dressform.gate/1"


class QualityGate(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        retries: list[io.Input] = []
        for name, verdict in TRIES[1:]:
            words = name.replace("_", " ")
            retries += [
                io.Image.Input(
                    name,
                    optional=True,
                    lazy=True,
                    tooltip=f"The {words}, as with the next seed. Runs only if nothing before it "
                    "is good enough.",
                ),
                io.String.Input(
                    verdict,
                    optional=True,
                    lazy=True,
                    force_input=True,
                    tooltip=f"verdict or scores of Check Quality for {name}.",
                ),
            ]
        return io.Schema(
            node_id="DressformQualityGate",
            display_name="Quality Gate",
            category="dressform/quality",
            description=(
                "Lets a good picture through at once; else runs the retries one after the other "
                "and keeps the best. What is never good enough goes to a review folder. Branches "
                "that are not needed do not run."
            ),
            search_aliases=["switch", "retry", "best of", "reject", "if", "route", "lazy"],
            inputs=[
                io.Image.Input("image", tooltip="The picture, or a batch of them."),
                io.String.Input(
                    "verdict",
                    force_input=True,
                    tooltip="verdict or scores of Check Quality for image; only with scores the "
                    "better of two failures is known.",
                ),
                *retries,
                io.Combo.Input(
                    "accept",
                    options=list(ACCEPT),
                    default=ACCEPT[0],
                    tooltip="Which verdicts are good enough. pass is stricter and retries more "
                    "often; unmeasurable is never good enough.",
                ),
                io.String.Input(
                    "review_folder",
                    default="review",
                    tooltip="Folder inside ComfyUI's output folder for pictures of which no try is "
                    "good enough; empty saves none.",
                ),
                io.String.Input(
                    "name",
                    default="picture",
                    tooltip="Of the files in review_folder, such as the SKU; a number is added "
                    "where it is taken.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="accepted",
                    tooltip="The best try where it is good enough; else nothing behind it runs.",
                ),
                io.Image.Output(
                    display_name="rejected",
                    tooltip="The best try where none is good enough; else nothing behind it runs.",
                ),
                io.Image.Output(display_name="best", tooltip="The best try in any case."),
                io.String.Output(
                    display_name="scores",
                    tooltip="What was said of best: for the verdict socket of another gate.",
                ),
                io.String.Output(
                    display_name="route",
                    tooltip="pass: good at once. retry: a retry was. review: none was. Of a batch "
                    "the last of these.",
                ),
                io.Int.Output(
                    display_name="chosen",
                    tooltip="Which try best is: 1 for image, 2 for retry and so on; of a batch the "
                    "largest.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which tries ran, their verdicts, what was chosen and saved, as JSON.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def check_lazy_status(cls, **inputs) -> list[str]:
        """Asks for the next try only while no earlier one is good enough.

        A socket that is connected and has not run is None; one that is not connected is missing.
        """
        from ..quality import gate

        scores = []
        for picture, verdict in TRIES:
            if picture not in inputs and verdict not in inputs:
                continue
            _require_both(picture, verdict, inputs)
            missing = [name for name in (picture, verdict) if inputs[name] is None]
            if missing:
                return missing
            scores.append(gate.read(inputs[verdict], len(inputs[picture]), verdict))
            if gate.enough(scores, inputs["accept"]):
                break
        return []

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        verdict: str,
        accept: str,
        review_folder: str,
        name: str,
        retry: torch.Tensor | None = None,
        retry_verdict: str | None = None,
        second_retry: torch.Tensor | None = None,
        second_retry_verdict: str | None = None,
        third_retry: torch.Tensor | None = None,
        third_retry_verdict: str | None = None,
    ) -> io.NodeOutput:
        from ..quality import gate

        tries = {
            "verdict": (image, verdict),
            "retry_verdict": (retry, retry_verdict),
            "second_retry_verdict": (second_retry, second_retry_verdict),
            "third_retry_verdict": (third_retry, third_retry_verdict),
        }
        pictures, said, scores = [], [], []
        for socket, (batch, text) in tries.items():
            if batch is not None and text is not None:  # neither left out nor spared
                pictures.append(batch[..., :3])
                said.append(text)
                scores.append(gate.read(text, len(batch), socket))
        choices = gate.choose(scores, accept)
        best = _picked(pictures, [choice.best for choice in choices])
        good = [choice.route != "review" for choice in choices]
        files = review.keep(cls, review_folder, name, pictures, said, scores, choices)
        route = max((choice.route for choice in choices), key=gate.ROUTES.index)
        report = {
            "schema": SCHEMA,
            "route": route,
            "accept": accept,
            "tries_run": len(scores),
            "pictures": [
                {
                    "route": choice.route,
                    "chosen": choice.best + 1,
                    "verdict": choice.score.verdict,
                    "verdicts": [of_try[place].verdict for of_try in scores],
                    "saved": files[place],
                }
                for place, choice in enumerate(choices)
            ],
        }
        return io.NodeOutput(
            _where(best, good),
            _where(best, [not one for one in good]),
            best,
            _told(said, choices),
            route,
            1 + max(choice.best for choice in choices),
            json.dumps(report, ensure_ascii=False),
            ui={
                **feedback.preview(cls, best, [_sentence(choices, len(scores), files)]),
                # For whoever waits for every output: behind these nothing runs this time.
                "spared": [
                    place for place, there in ((0, any(good)), (1, not all(good))) if not there
                ],
            },
        )


def _require_both(picture: str, verdict: str, inputs: dict[str, Any]) -> None:
    for name, other in ((picture, verdict), (verdict, picture)):
        if name not in inputs:
            raise ValueError(
                f"{name} must be connected where {other} is, got nothing. "
                f"Connect {name}, or take {other} away."
            )


def _picked(pictures: list[torch.Tensor], indices: list[int]) -> torch.Tensor:
    """Returns for each place of the batch the picture of one try."""
    if len(set(indices)) == 1:
        return pictures[indices[0]]
    sizes = sorted({f"{batch.shape[1]}x{batch.shape[2]}" for batch in pictures})
    if len(sizes) > 1:
        raise ValueError(
            f"the tries of a batch must have one size, got {' and '.join(sizes)}. "
            "Scale them to one size before they are checked."
        )
    return torch.stack([pictures[index][place] for place, index in enumerate(indices)])


def _where(batch: torch.Tensor, wanted: list[bool]) -> torch.Tensor | ExecutionBlocker:
    """Returns the wanted pictures; where there are none, what is behind does not run."""
    return batch[torch.tensor(wanted)] if any(wanted) else ExecutionBlocker(None)


def _told(said: list[str], choices: tuple) -> str:
    """Returns what Check Quality said about the chosen tries, in its own form."""
    picked = []
    for place, choice in enumerate(choices):
        text = said[choice.best]
        if not text.lstrip().startswith(("{", "[")):
            return max(choices, key=lambda one: one.score).score.verdict
        document = json.loads(text)
        documents = document if isinstance(document, list) else [document]
        picked.append(documents[place if len(documents) > 1 else 0])
    return json.dumps(picked if len(picked) > 1 else picked[0], ensure_ascii=False)


def _sentence(choices: tuple, count: int, files: list[list[str]]) -> str:
    good = sum(choice.route != "review" for choice in choices)
    made = "1 try was made" if count == 1 else f"{count} tries were made"
    if len(choices) == 1:
        [choice] = choices
        outcome = "is good enough" if good else "is the best, but not good enough"
        text = f"Try {choice.best + 1} {outcome} ({choice.score.verdict}); {made}."
    else:
        text = f"{good} of {len(choices)} pictures are good enough; {made}."
    where = [Path(some[0]).parent.as_posix() for some in files if some]
    return f"{text} For review in {where[0]}." if where else text
