"""Pages of hosted runs: where each is, what it cost and why, and what it made."""

from datetime import datetime
from typing import Any, NamedTuple

from flask import Response, g, render_template, request, url_for

from ..assets.api import sent
from ..problems import answer
from ..runs.book import MAX_PAGE
from ..runs.values import PHASES, Run, RunError
from ..services import services
from . import reading
from .page import TONES, blueprint, done
from .views import BEGINNING, END, key_names

ROWS = 25
COLORS = dict(zip(("queued", *PHASES), (5, 1, 2, 0, 3), strict=True))
# Kinds that a browser shows safely, and up to which size a page may show several.
SHOWN, SHOWN_BYTES = ("image/png", "image/jpeg", "image/webp", "image/gif"), 12 << 20
TONES |= {"succeeded": "good", "running": "care", "canceling": "care", "expired": "bad"}


class Part(NamedTuple):
    """A phase of a run, as a part of a bar of 100."""

    phase: str
    ms: int
    color: int
    x: float
    width: float


@blueprint.errorhandler(RunError)
def _refused(error: RunError) -> Response:
    return answer(error.status, error.code, str(error))


@blueprint.get("/runs")
def runs() -> str:
    """Lists runs, the newest first; while some go on, the page asks again."""
    account, book = g.person.account, services().hosting.runs
    before, at = request.args.get("before", ""), None
    if before:
        last = book.get(account, before)
        at = last.created_at, last.id
    page = book.page(account, before=at, limit=min(ROWS, MAX_PAGE))
    return render_template(
        "dashboard/runs.html",
        runs=[(one, parts(one, services().clock())) for one in page],
        total=lambda parts: round(sum(one.ms for one in parts), -2),
        live=any(not one.ended for one in page),
        more=url_for(".runs", before=page[-1].id) if len(page) == ROWS else "",
    )


def parts(run: Run, now: datetime) -> list[Part]:
    """Returns how long a run was in each phase so far."""
    waited = (run.started_at or run.completed_at or now) - run.created_at
    times = {"queued": max(0, int(waited.total_seconds() * 1000))} | run.phases
    scale, x, made = 100 / (sum(times.values()) or 1), 0.0, []
    for phase, color in COLORS.items():
        if ms := times.get(phase, 0):
            made.append(Part(phase, ms, color, round(x, 2), round(ms * scale, 2)))
            x += ms * scale
    return made


@blueprint.get("/runs/<run>")
def run(run: str) -> str:
    """Shows a run, each line of its price, and what it made."""
    hosting, account = services().hosting, g.person.account
    found = hosting.runs.get(account, run)
    ended = reading.runs(account, BEGINNING, END, before=0, limit=ROWS, run=run)
    outputs = hosting.assets.of_run(account, run)
    return render_template(
        "dashboard/run.html",
        run=found,
        parts=parts(found, services().clock()),
        place=hosting.runs.standing(found)[0] + 1 if found.state == "queued" else None,
        lines=ended,
        key_names=key_names(account),
        outputs=[(one, _shown(one)) for one in outputs],
    )


def _shown(asset: Any) -> bool:
    here = not isinstance(services().hosting.assets.path(asset), str)
    return here and asset.content_type in SHOWN and asset.bytes <= SHOWN_BYTES


@blueprint.get("/runs/<run>/outputs/<asset>")
def run_output(run: str, asset: str) -> Response:
    """Gives what a run made; pictures as pictures, all else as files."""
    found = services().hosting.assets.get(g.person.account, asset)
    return sent(found, as_file="file" in request.args or not _shown(found))


@blueprint.post("/runs/<run>/cancel")
def cancel_run(run: str) -> Any:
    """Asks a run to end."""
    services().hosting.runs.cancel(g.person.account, run)
    return done("run", "cancel", run=run)
