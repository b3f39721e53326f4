"""Carries out orders: a garment onto a person, or a body around a photographed garment."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..imaging import agnostic, garment_lock, matting, parse, stitch
from ..imaging import crop as crops
from . import engine as engines
from . import frame as frames
from . import report, request, residency
from .clearance import Cleared, clear
from .engine import MANNEQUIN_TO_MODEL, TRY_ON, TryOnRequest
from .model_photo import ModelPhotoRequest
from .order import Candidate, Host, Order, Painted, Rank, Score
from .painter import PaintRequest, Progress
from .residency import Run

# Width of the feather inside the repainted mask, as a share of the root of its area.
FEATHER = 0.02
ONE_CANDIDATE = (
    "The engine warp always makes the same picture: one candidate was made instead of {count}."
)


class _Made(NamedTuple):
    """What an engine of any family made of one photo."""

    images: Sequence[np.ndarray]
    repainted: np.ndarray
    garments: Sequence[np.ndarray]
    generated: np.ndarray
    engine_size: tuple[int, int]
    changed_outside: int
    run: Run | None
    warnings: tuple[str, ...] = ()


def dress(
    order: Order,
    wanted: TryOnRequest,
    host: Host,
    *,
    progress: Progress,
    rank: Rank | None = None,
    cleared: Cleared | None = None,
) -> Painted:
    """Puts a garment on a person.

    Args:
        order: Engine, seeds and the rest.
        wanted: Person and garment.
        host: Memory and folders.
        progress: Told after each step; raises to interrupt.
        rank: Scores candidates; called where there are several.
        cleared: From `clearance.clear`, where the caller has asked before.

    Raises:
        ValueError: The order or the pictures are not usable.
        PermissionError: A licence forbids the usage.
        FileNotFoundError: Weights are missing.
        RuntimeError: The engine does not fit into the memory.
    """
    started = time.perf_counter()
    cleared = cleared or clear(order, TRY_ON, host.folders)
    if cleared.entry.family == "warp":
        made = _warped(wanted, progress)
    else:
        made = _dressed(cleared, order, wanted, host, progress)
    return _painted(order, cleared, made, wanted.person, rank, started)


def model_photo(
    order: Order,
    wanted: ModelPhotoRequest,
    host: Host,
    *,
    progress: Progress,
    rank: Rank | None = None,
    cleared: Cleared | None = None,
) -> Painted:
    """Paints a body into a garment photographed on a mannequin; the garment's pixels stay.

    Arguments and errors are those of `dress`. With the engine warp it is the other way round: the
    garment is laid onto `wanted.person`, and the result is of that photo's size.
    """
    started = time.perf_counter()
    cleared = cleared or clear(order, MANNEQUIN_TO_MODEL, host.folders)
    if cleared.entry.family == "warp":
        if wanted.person is None:
            why = "".join(f" {one}" for one in cleared.notices)
            raise ValueError(
                "person must be connected for the engine warp, got nothing. Connect the photo of "
                f"a person: warp paints no body, it lays the garment onto one.{why}"
            )
        onto = request.prepare(
            wanted.person,
            wanted.image,
            wanted.garment_mask.astype(np.float32),
            garment_parsing=wanted.parsing,
        )
        return _painted(order, cleared, _warped(onto, progress), wanted.person, rank, started)
    made = _embodied(cleared, order, wanted, host, progress)
    return _painted(order, cleared, made, wanted.image, rank, started)


def _warped(wanted: TryOnRequest, progress: Progress) -> _Made:
    result = engines.load("warp").run(wanted, progress)
    changed = crops.changed_outside(wanted.person, result.image, result.repainted)
    size = wanted.person.shape[:2]
    return _Made(
        images=(result.image,),
        repainted=result.repainted,
        garments=(result.garment,),
        generated=np.zeros(size, np.float32),
        engine_size=(size[0], size[1]),
        changed_outside=changed,
        run=None,
        warnings=result.warnings,
    )


def _dressed(
    cleared: Cleared, order: Order, wanted: TryOnRequest, host: Host, progress: Progress
) -> _Made:
    """Repaints the agnostic mask of a person with a diffusion engine."""
    mask = wanted.repaint_mask
    if mask is None:
        parsing = wanted.person_parsing or parse.parse(wanted.person)
        mask = agnostic.mask(
            parsing,
            wanted.person_pose,
            wanted.region,
            image=wanted.person,
            garment=None
            if wanted.garment_parsing is None
            else agnostic.reach(wanted.garment_parsing, wanted.garment_pose),
        )
    soft = crops.feather(mask, max(1, round(FEATHER * float(np.sqrt(mask.sum())))))
    frame = frames.open_frame(wanted.person, soft, engines.module(cleared.engine).SPEC)
    asked = _asked(frames.hinted(frame, wanted.person_pose, wanted.hints), order, cleared)
    asked = asked._replace(
        garments=(frames.reference(wanted.garment, wanted.garment_mask),), region=wanted.region
    )
    run = residency.paint(cleared, order, asked, host, progress)

    def finish(pasted: np.ndarray) -> np.ndarray:
        return stitch.stitch(frame.photo, pasted, soft)

    closed = [frames.close(frame, painted, finish) for painted in run.pictures]
    return _Made(
        images=[image for image, _ in closed],
        repainted=soft,
        garments=[_garment(image, soft) for image, _ in closed],
        generated=(soft > 0).astype(np.float32),
        engine_size=(frame.crop.height, frame.crop.width),
        changed_outside=sum(changed for _, changed in closed),
        run=run,
    )


def _embodied(
    cleared: Cleared, order: Order, wanted: ModelPhotoRequest, host: Host, progress: Progress
) -> _Made:
    """Repaints all that may change but the photographed garment."""
    alpha = matting.alpha(wanted.image, wanted.locked)
    lock = garment_lock.lock(wanted.locked, alpha, allowed=wanted.area)
    frame = frames.open_frame(wanted.image, lock.repaint, engines.module(cleared.engine).SPEC)
    asked = _asked(frames.hinted(frame, wanted.pose, wanted.hints), order, cleared)
    asked = asked._replace(
        garments=(frames.reference(wanted.image, wanted.garment_mask),),
        person=wanted.person,
        region=wanted.parsing.region,
    )
    run = residency.paint(cleared, order, asked, host, progress)

    def finish(pasted: np.ndarray) -> np.ndarray:
        return garment_lock.harmonise(frame.photo, pasted, lock)

    closed = [frames.close(frame, painted, finish) for painted in run.pictures]
    return _Made(
        images=[image for image, _ in closed],
        repainted=lock.repaint,
        garments=[lock.alpha] * len(closed),
        generated=garment_lock.generated(lock),
        engine_size=(frame.crop.height, frame.crop.width),
        changed_outside=sum(changed for _, changed in closed),
        run=run,
    )


def _asked(request: PaintRequest, order: Order, cleared: Cleared) -> PaintRequest:
    return request._replace(
        task=cleared.task, prompt=order.prompt.strip(), seeds=order.seeds, steps=order.steps
    )


def _garment(image: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Finds the painted garment: what of the repainted area is cloth by the parser."""
    found = parse.parse(image).garment & (soft > 0)
    # Where the parser finds none the whole area is the best that is known.
    return (found if found.any() else soft > 0).astype(np.float32)


def _painted(
    order: Order,
    cleared: Cleared,
    made: _Made,
    photo: np.ndarray,
    rank: Rank | None,
    started: float,
) -> Painted:
    """Ranks the candidates and writes the report."""
    scores = _scores(made, rank)
    best_first = sorted(range(len(scores)), key=lambda index: scores[index].order)
    notices = (*cleared.notices, *(made.run.notices if made.run else ()), *made.warnings)
    if len(made.images) < order.candidates:
        notices += (ONE_CANDIDATE.format(count=order.candidates),)
    height, width = photo.shape[:2]
    seconds = dict(made.run.seconds) if made.run else {}
    told = report.make(
        order,
        cleared,
        size=(height, width),
        engine_size=made.engine_size,
        generated_share=float((made.generated > 0).mean()),
        changed_outside=made.changed_outside,
        seconds={**seconds, "total": round(time.perf_counter() - started, 3)},
        candidates=[
            {"seed": order.seeds[index] if made.run else None, **scores[index].details}
            for index in best_first
        ],
        notices=notices,
        setup=made.run.setup if made.run else None,
    )
    return Painted(
        images=tuple(made.images[index] for index in best_first),
        repainted=made.repainted,
        garment=made.garments[best_first[0]],
        generated=made.generated,
        report=told,
        warnings=notices,
    )


def _scores(made: _Made, rank: Rank | None) -> list[Score]:
    """Scores several candidates; there is nothing to choose between one."""
    if rank is None or len(made.images) == 1:
        return [Score((index,), {"score": None}) for index in range(len(made.images))]
    return [
        rank(Candidate(image, garment, made.repainted))
        for image, garment in zip(made.images, made.garments, strict=True)
    ]
