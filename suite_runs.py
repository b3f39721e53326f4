"""Runs two workflows over the scenes and seeds of a suite; takes up again what it has made."""

import asyncio
import contextlib
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from .comfyui import client, run, session, workflow
from .comfyui.terminal import Line
from .imaging import files, pictures
from .quality.compare import factors, frozen, scores
from .quality.compare import suite as suites
from .quality.compare.factors import Factor
from .quality.compare.gallery import Key
from .quality.compare.suite import Scene, Suite

BASELINE, CANDIDATE, AGAIN = scores.ARMS
PICTURES, WORK = "pictures", ".run"  # folders below the output


class Made(NamedTuple):
    """The pictures of both workflows by arm, scene and seed, and what differs between them."""

    paths: dict[Key, Path]
    factors: tuple[Factor, ...]


class Order(NamedTuple):
    """One picture that is to be made."""

    arm: str
    scene: Scene
    seed: int
    workflow: Path


def make(
    suite: Suite, baseline: Path, candidate: Path, out: Path, *, allowed: int, url: str | None
) -> Made:
    """Makes every picture of both arms, the same photo, person and seed for both.

    Args:
        suite: Its `workflow` table says which inputs take photo, person and seed.
        baseline, candidate: Workflow files, in API or UI format.
        out: Takes the pictures, below `pictures/<arm>/<scene>/<seed>.png`.
        allowed: Factors that may differ; more are refused before anything is run.
        url: A running ComfyUI; None starts one.

    Raises:
        ValueError: A workflow or binding is wrong, or too much differs.
        RuntimeError: A run failed.
    """
    documents = workflow.load(baseline), workflow.load(candidate)
    seeds = _seed_inputs(suite)
    found: tuple[Factor, ...] | None = None
    if all(workflow.is_api_format(document) for document in documents):
        found = _differences(suite, documents[0], documents[1], allowed)
    orders = _orders(suite, baseline, candidate)
    with _server(url) as address:
        if found is None:  # drawn ones need the server's schemas to be read
            before, after = asyncio.run(_prompts(documents, address))
            found = _differences(suite, before, after, allowed)
        told = found
        for order in tqdm(orders, unit="run", disable=not sys.stderr.isatty()):
            _fulfil(order, _target(out, order), suite, seeds, address, out / WORK)
    shutil.rmtree(out / WORK, ignore_errors=True)
    return Made({(o.arm, o.scene.id, o.seed): _target(out, o) for o in orders}, told)


def _differences(
    suite: Suite, before: dict[str, Any], after: dict[str, Any], allowed: int
) -> tuple[Factor, ...]:
    found = factors.differences(before, after, bound=suites.bound(suite))
    factors.require_one(found, allowed)
    return found


def _seed_inputs(suite: Suite) -> list[str]:
    named = suite.workflow.get("seed")
    if not named:
        raise ValueError(
            f"a suite must say which input takes the seed, got none in {suite.path}. Write for "
            'example [workflow] seed = "Make Model Photo.seed".'
        )
    return named if isinstance(named, list) else [named]


def _orders(suite: Suite, baseline: Path, candidate: Path) -> list[Order]:
    """Arm by arm, so that a server loads each model once."""
    runs = [
        (BASELINE, baseline, suite.seeds),
        (AGAIN, baseline, suite.noise_seeds),
        (CANDIDATE, candidate, suite.seeds),
    ]
    return [
        Order(arm, scene, seed, path)
        for arm, path, seeds in runs
        for scene in suite.scenes
        for seed in seeds
    ]


def _target(out: Path, order: Order) -> Path:
    return out / PICTURES / order.arm / order.scene.id / f"{order.seed}.png"


def _fulfil(
    order: Order, target: Path, suite: Suite, seeds: list[str], url: str, work: Path
) -> None:
    settings = [f"{suites.binding(suite, 'photo')}={order.scene.files['photo'].resolve()}"]
    if "person" in order.scene.files:
        settings.append(
            f"{suites.binding(suite, 'person')}={order.scene.files['person'].resolve()}"
        )
    settings += [f"{name}={order.seed}" for name in seeds]
    record = target.with_suffix(".json")
    made_of = _made_of(order, settings, suite.workflow.get("result"))
    if target.is_file() and _read(record) == made_of:
        return
    shutil.rmtree(work, ignore_errors=True)
    done = run.run(
        order.workflow,
        url,
        work,
        settings=settings,
        check=pictures.require_whole,
        stream=io.StringIO(),  # one bar for all runs, not one for each
    )
    picture = pictures.open_picture(work / _result(done.outputs, suite, order.workflow))
    target.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    pictures.save_picture(target, picture)
    with files.whole(record) as partial:
        partial.write_text(made_of, encoding="utf-8")


def _made_of(order: Order, settings: list[str], result: str | None) -> str:
    """What a picture depends on; a picture of anything else is made anew."""
    parts = [frozen.file_hash(order.workflow), *settings, str(result)]
    parts += [frozen.file_hash(path) for _, path in sorted(order.scene.files.items())]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return json.dumps({"made_of": digest, "seed": order.seed})


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _result(outputs: Mapping[str, Any], suite: Suite, path: Path) -> str:
    """Returns the file that is the result: of the node that the suite names, or the only one."""
    shown = {
        node: [name for name in entry["files"] if Path(name).suffix.lower() in pictures.SUFFIXES]
        for node, entry in outputs.items()
    }
    shown = {node: names for node, names in shown.items() if names}
    wanted = suite.workflow.get("result")
    if wanted:
        shown = {n: f for n, f in shown.items() if wanted in (n, outputs[n]["title"])}
    if len(shown) != 1 or len(next(iter(shown.values()))) != 1:
        titles = ", ".join(sorted(outputs[node]["title"] for node in outputs)) or "none"
        raise ValueError(
            f"one picture must be the result of {path.name}, got {sum(map(len, shown.values()))}. "
            f'Name its node in the suite: [workflow] result = "..."; its outputs are: {titles}.'
        )
    return next(iter(shown.values()))[0]


async def _prompts(documents: tuple[dict, dict], url: str) -> list[dict[str, Any]]:
    async with client.Client(url) as server:
        schemas = await server.object_info()
    return [workflow.prepare(document, schemas).prompt for document in documents]


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    with Line() as line, session.started(line.show) as server:
        line.clear()
        yield server.url
