"""Measures what the pack adds to a step of each engine, beside diffusers' bare pipeline.

    python bench/engines.py [--engines NAME ...] [--setups first|all] [--rounds N] [--steps N]

For every painting engine and every way of laying it into memory (inference/memory.py): seconds per
step and peak memory, of the engine as this pack runs it and of the pipeline of diffusers called by
hand, each in a process of its own, picture by picture in turns; then the ratio of the medians. Then
the same garment on one person after another, with inference/recall.py and without it.

Networks are random, nothing is downloaded. With a CUDA device they have the sizes of the published
weights, and seconds are those of the clock. Without one they are small (bench/sizes.py), and
seconds are those that one thread takes of the processor: what else the machine does counts neither
way. Memory is then the process's own, above what the libraries take.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import engine_worker
from dressform.inference import engine as engines
from dressform.inference import memory
from dressform.inference.painter import Setup
from engine_worker import BARE, FORGETFUL, OURS, Job, Painting

STEP_BAR, MEMORY_BAR = 1.03, 1.05
MB = 10**6
PAINTERS = [name for name, entry in engines.ENGINES.items() if entry.family != "warp"]
ANSWER_S = 3600


class Row(NamedTuple):
    """One engine in one setup: paintings of each worker, those to warm up left out."""

    engine: str
    setup: Setup
    paintings: dict[str, list[Painting]]


class Worker:
    """A process that paints; see `engine_worker.work`."""

    def __init__(self, job: Job):
        """Starts it."""
        # A forked process has the libraries already; CUDA cannot be forked.
        method = "spawn" if job.setup.device != "cpu" else "fork"
        if method not in multiprocessing.get_all_start_methods():
            method = "spawn"
        context: Any = multiprocessing.get_context(method)
        self._channel, other = context.Pipe()
        self._process = context.Process(target=engine_worker.work, args=(job, other))
        self._process.start()
        other.close()

    def paint(self, person: int) -> Painting:
        """Paints a person.

        Raises:
            RuntimeError: The process died or does not answer.
        """
        self._channel.send(person)
        try:
            if not self._channel.poll(ANSWER_S):
                raise EOFError
            return self._channel.recv()
        except EOFError as error:
            raise RuntimeError(
                "a worker must answer, got none. See its traceback above."
            ) from error

    def stop(self) -> None:
        """Ends it."""
        if self._process.is_alive():
            self._channel.send(None)
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def setups(device: str) -> list[Setup]:
    """Returns every way of laying an engine into a device's memory, the best first."""
    nothing = memory.Sizes({})
    found = memory.choose(2**62, nothing, device=device, precisions=memory.precisions(device))
    listed = []
    while found is not None:
        listed.append(found)
        found = memory.cheaper(found)
    return listed


def measure(jobs: Sequence[Job], rounds: int, *, together: bool) -> Row:
    """Paints with every job in turns.

    Args:
        jobs: Of one engine and setup.
        rounds: Pictures of each that count.
        together: Whether all may be in memory at once; else each starts again in every round.
    """
    paintings: dict[str, list[Painting]] = {job.who: [] for job in jobs}
    with _standing(jobs if together else ()) as standing:
        for turn in range(rounds + 1 if together else rounds):
            for job in jobs if turn % 2 else reversed(jobs):
                with _standing(() if together else [job]) as own:
                    worker = (standing or own)[job.who]
                    if not together:
                        worker.paint(turn)  # to warm up
                    painting = worker.paint(turn + 1)
                if turn or not together:
                    paintings[job.who].append(painting)
    return Row(jobs[0].engine, jobs[0].setup, paintings)


@contextmanager
def _standing(jobs: Sequence[Job]) -> Iterator[dict[str, Worker]]:
    workers: dict[str, Worker] = {}
    try:
        for job in jobs:
            workers[job.who] = Worker(job)
        yield workers
    finally:
        for worker in workers.values():
            worker.stop()


def step_seconds(paintings: Sequence[Painting]) -> float:
    """Returns the median seconds of a step."""
    return statistics.median(second for one in paintings for second in one.steps)


def peak_mb(paintings: Sequence[Painting]) -> float | None:
    """Returns the median of the peaks."""
    peaks = [one.peak for one in paintings if one.peak is not None]
    return statistics.median(peaks) / MB if peaks else None


def told(row: Row) -> dict[str, Any]:
    """Returns a row's figures."""
    bare, ours = row.paintings[BARE], row.paintings[OURS]
    steps, peaks = (step_seconds(bare), step_seconds(ours)), (peak_mb(bare), peak_mb(ours))
    figures: dict[str, Any] = {
        "engine": row.engine,
        "setup": words(row.setup),
        "step_s": [round(one, 4) for one in steps],
        "step_ratio": round(steps[1] / steps[0], 4),
    }
    if peaks[0] and peaks[1]:
        figures["peak_mb"] = [round(one) for one in peaks if one is not None]
        figures["memory_ratio"] = round(peaks[1] / peaks[0], 4)
    if FORGETFUL in row.paintings:
        pair = [row.paintings[FORGETFUL], ours]
        figures["picture_s"] = [
            round(statistics.median(one.whole for one in found), 3) for found in pair
        ]
    return figures


def words(setup: Setup) -> str:
    """Returns a setup as the table has it."""
    stored = setup.dtype if setup.quantization == "none" else setup.quantization
    offload = "" if setup.offload == "none" else f", {setup.offload} offload"
    return f"{stored}{offload}{', tiles' if setup.vae_tiling else ''}"


def conclude(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the bars: the worst of all rows."""
    bars = {}
    for name, key, bar in (
        ("step_ratio", "step_ratio", STEP_BAR),
        ("memory_ratio", "memory_ratio", MEMORY_BAR),
    ):
        found = [row[key] for row in rows if key in row]
        worst = max(found) if found else None
        bars[name] = {"value": worst, "bar": bar, "ok": worst is not None and worst <= bar}
    return bars


def line(row: dict[str, Any]) -> str:
    """Returns a row of the table."""
    peaks = row.get("peak_mb")
    pictures = row.get("picture_s")
    return (
        f"{row['engine']:12}{row['setup']:30}"
        f"{row['step_s'][0]:9.4f}{row['step_s'][1]:9.4f}{row['step_ratio']:7.3f}"
        + (f"{peaks[0]:8}{peaks[1]:8}{row['memory_ratio']:7.3f}" if peaks else f"{'unknown':>23}")
        + (f"{pictures[0]:9.2f}{pictures[1]:9.2f}" if pictures else "")
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--engines", nargs="+", choices=PAINTERS, default=PAINTERS)
    options.add_argument("--setups", choices=("first", "all"), default="all")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--steps", type=int, default=6)
    chosen = options.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries' own imports
        import torch

        for name in chosen.engines:
            engine_worker.checkpoints.builder(engine_worker.BUILDERS[name])
            engines.module(name)
        import diffusers.pipelines  # noqa: F401
    device = "cuda" if torch.cuda.is_available() else "cpu"
    full = device == "cuda"
    print(f"{torch.cuda.get_device_name() if full else 'one processor'}, torch {torch.__version__}")
    print(f"{'':42}{'seconds a step':^25}{'peak MB':^23}{'seconds a picture':^18}")
    print(
        f"{'engine':12}{'setup':30}{'bare':>9}{'ours':>9}{'ratio':>7}{'bare':>8}{'ours':>8}"
        f"{'ratio':>7}{'forget':>9}{'recall':>9}"
    )
    rows = []
    for name in chosen.engines:
        listed = setups(device)[: 1 if chosen.setups == "first" else None]
        with tempfile.TemporaryDirectory() as folder:
            if name not in engine_worker.IN_MEMORY:
                engine_worker.write(name, Path(folder), full)
            for index, setup in enumerate(listed):
                who = (BARE, OURS) if index else (BARE, OURS, FORGETFUL)
                jobs = [Job(one, name, setup, Path(folder), full, chosen.steps) for one in who]
                rows.append(told(measure(jobs, chosen.rounds, together=not full)))
                print(line(rows[-1]), flush=True)
    print(json.dumps({"bench": "engines", "device": device, "bars": conclude(rows), "rows": rows}))


if __name__ == "__main__":
    main()
