"""The widgets that both painting nodes have, and the order that they make."""

from comfy_api.latest import io

from ..inference import clearance, licences, order
from ..inference.order import Order, Settings
from . import weights

MAX_STEPS = 100
MAX_SEED = 2**64 - 1


def usage() -> io.Combo.Input:
    return io.Combo.Input(
        "usage",
        options=list(licences.USAGES),
        default=licences.USAGES[0],
        optional=True,
        tooltip="commercial refuses engines and LoRAs whose licence forbids selling with them; "
        "research allows all.",
    )


def prompt() -> io.String.Input:
    return io.String.Input(
        "prompt",
        default="",
        multiline=True,
        optional=True,
        tooltip="What else to paint, in words, in addition to what the engine is told anyway; "
        "warp reads none.",
    )


def seed() -> io.Int.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        step=1,
        control_after_generate=True,
        optional=True,
        tooltip="Of the first candidate; the same seed gives the same picture. warp uses none.",
    )


def steps() -> io.Int.Input:
    return io.Int.Input(
        "steps",
        default=0,
        min=0,
        max=MAX_STEPS,
        step=1,
        optional=True,
        tooltip="Denoising steps: more are slower and finer. 0 takes as many as the engine likes.",
    )


def candidates() -> io.Int.Input:
    return io.Int.Input(
        "candidates",
        default=1,
        min=1,
        max=order.MAX_CANDIDATES,
        step=1,
        optional=True,
        tooltip="Pictures painted with seed, seed + 1 and so on; the best by the quality check "
        "comes out as image. More take longer.",
    )


def when_weights_missing(default: str) -> io.Combo.Input:
    return io.Combo.Input(
        "when_weights_missing",
        options=[default, *(one for one in order.WHEN_WEIGHTS_MISSING if one != default)],
        default=default,
        optional=True,
        tooltip="stop: says how to get the weights. warp: goes on with the engine that needs none, "
        "and says so.",
    )


def asked(settings: Settings | None = None, **values: str | int) -> Order:
    """Returns the order of the widgets' values."""
    return Order(settings=settings or Settings(), **values)  # type: ignore[arg-type]


def refusal(task: str, **values: str | int | None) -> str | None:
    """Returns why an order cannot be carried out, before anything of the graph has run.

    Args:
        task: One of `engine.TASKS`.
        values: Of widgets; None comes over a link, and is looked at when the node runs.
    """
    if None in values.values():
        return None
    try:
        clearance.clear(asked(**values), task, weights.folders())  # type: ignore[arg-type]
    except (ValueError, PermissionError, FileNotFoundError) as error:
        return str(error)
    return None
