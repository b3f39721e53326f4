"""The report of one run as a single HTML file that opens by double click."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from ..imaging import files
from . import overlay, wording
from .measure import require_picture
from .verdict import Check, Verdict

TEMPLATE = Path(__file__).parent / "report_page.html"
MAX_SIDE_PX = 1200  # sharp on a phone and in a third of a laptop's width, about 150 KB a picture
JPEG_QUALITY = 88
Color = tuple[int, int, int]


class Step(NamedTuple):
    """One step of the story.

    Attributes:
        title: Short, as a heading.
        caption: One or two sentences.
        picture: (H, W, 3) uint8 sRGB, or several of them, shown side by side.
        title_zh: The same heading in Chinese; empty for none.
        legend: Names and colours that explain the picture.
        wide: Takes the whole row.
    """

    title: str
    caption: str
    picture: np.ndarray | Sequence[np.ndarray]
    title_zh: str = ""
    legend: Sequence[tuple[str, Color]] = ()
    wide: bool = False


def write(
    path: str | Path,
    *,
    title: str,
    steps: Sequence[Step],
    verdict: Verdict,
    timings: Mapping[str, float],
    meta: Mapping[str, object],
    compare: tuple[np.ndarray, np.ndarray] | None = None,
) -> Path:
    """Writes the report.

    Args:
        path: Of the HTML file; its folder is made.
        title: The page's heading.
        steps: The story in order: photo, parsing, cleaned picture, hints, result, heatmap.
        verdict: Of the result.
        timings: Seconds by step, in order.
        meta: Versions, seed, engine, licence; printed as they come.
        compare: Before and after, (H, W, 3) uint8 sRGB, for the slider at the top.

    Returns:
        The path.
    """
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=_text(title),
        banner=_banner(verdict),
        compare=_slider(*compare) if compare else "",
        steps="".join(_step(number, step) for number, step in enumerate(steps, 1)),
        checks=_checks(verdict),
        timings=_timings(timings),
        meta=_meta(meta),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as partial:  # a second run may have the old page open
        partial.write_text(page, encoding="utf-8")
    return path


def data_uri(picture: np.ndarray) -> str:
    """Returns a picture as a JPEG data URI, at most MAX_SIDE_PX high and wide."""
    require_picture("picture", picture)
    scale = MAX_SIDE_PX / max(picture.shape[:2])
    if scale < 1:
        size = tuple(max(1, round(length * scale)) for length in picture.shape[1::-1])
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _text(value: object) -> str:
    return html.escape(str(value))


def _heading(level: int, title: str, title_zh: str) -> str:
    chinese = f'<span class="zh" lang="zh">{_text(title_zh)}</span>' if title_zh else ""
    return f"<h{level}>{_text(title)}{chinese}</h{level}>"


def _image(picture: np.ndarray, alt: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    height, width = picture.shape[:2]
    return (
        f'<img{css} src="{data_uri(picture)}" alt="{_text(alt)}" width="{width}" height="{height}">'
    )


def _banner(verdict: Verdict) -> str:
    title, title_zh, explanation = wording.OVERALL[verdict.overall]
    worst = [
        c for c in verdict.checks if c.state == verdict.overall and c.state in ("warn", "fail")
    ]
    reasons = " ".join(c.sentence for c in worst[:3]) or explanation
    silent = sum(c.state == "unmeasurable" for c in verdict.checks)
    note = ""
    if silent and verdict.overall != "unmeasurable":
        count = len(verdict.checks)
        note = f'<p class="soft">{silent} of {count} checks could not be made; see below why.</p>'
    word = "NOT MEASURED" if verdict.overall == "unmeasurable" else verdict.overall.upper()
    return (
        f'<div class="banner {verdict.overall}"><div class="mark">{word}</div>'
        f"<div>{_heading(2, title, title_zh)}<p>{_text(reasons)}</p>{note}</div></div>"
    )


def _slider(before: np.ndarray, after: np.ndarray) -> str:
    return (
        f"<section><header>{_heading(2, 'Before and after', '前后对比')}</header>"
        f'<div class="slider">{_image(before, "Before")}{_image(after, "After", "after")}'
        '<span class="tag left">Photo 原图</span><span class="tag right">On model 上身图</span>'
        '<input type="range" min="0" max="100" value="50" aria-label="Between before and after"'
        " oninput=\"this.parentNode.style.setProperty('--cut', this.value + '%')\"></div></section>"
    )


def _step(number: int, step: Step) -> str:
    pictures = [step.picture] if isinstance(step.picture, np.ndarray) else list(step.picture)
    frames = "".join(f'<span class="frame">{_image(p, step.title)}</span>' for p in pictures)
    if len(pictures) > 1:
        frames = f'<div class="pair">{frames}</div>'
    kind = "step wide" if step.wide or len(pictures) > 1 else "step"
    return (
        f'<article class="{kind}"><header><b>{number}</b>'
        f"{_heading(3, step.title, step.title_zh)}</header>{frames}{_legend(step.legend)}"
        f"<p>{_text(step.caption)}</p></article>"
    )


def _legend(entries: Sequence[tuple[str, Color]]) -> str:
    if not entries:
        return ""
    items = "".join(
        f'<li><i style="background:rgb({r},{g},{b})"></i>{_text(name)}</li>'
        for name, (r, g, b) in entries
    )
    return f'<ul class="legend">{items}</ul>'


def _checks(verdict: Verdict) -> str:
    rows = "".join(_check_row(check) for check in verdict.checks)
    heads = (
        ("Check", "检测项"),
        ("Result", "结果"),
        ("Value", "数值"),
        ("Warns / fails from", "注意 / 不合格"),
        ("What it means", "说明"),
    )
    head = "".join(f'<th scope="col">{en}<span class="zh">{zh}</span></th>' for en, zh in heads)
    return f'<table class="checks"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _check_row(check: Check) -> str:
    word = "not measured" if check.state == "unmeasurable" else check.state
    limits = (
        f"{check.thresholds['warn']:g} / {check.thresholds['fail']:g}{overlay.UNITS[check.unit]}"
    )
    return (
        f"<tr><td>{_heading(3, check.title, wording.title_zh(check.name))}</td>"
        f'<td><span class="state {check.state}">{word}</span>'
        f'<span class="zh" lang="zh">{wording.STATES_ZH[check.state]}</span></td>'
        f'<td class="n" data-label="Value">{_text(overlay.number(check))}</td>'
        f'<td class="n" data-label="Limits">{_text(limits)}</td>'
        f"<td>{_text(check.sentence)}</td></tr>"
    )


def _timings(timings: Mapping[str, float]) -> str:
    if not timings:
        return '<p class="soft">No times were recorded.</p>'
    longest = max(max(timings.values()), 1e-9)
    rows = "".join(
        f'<span>{_text(name)}</span><span class="bar" style="width:{100 * seconds / longest:.1f}%">'
        f'</span><span class="s">{seconds:.1f} s</span>'
        for name, seconds in timings.items()
    )
    total = sum(timings.values())
    rows += f'<b>Total</b><span></span><b class="s">{total:.1f} s</b>'
    return f'<div class="times">{rows}</div>'


def _meta(meta: Mapping[str, object]) -> str:
    rows = "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in meta.items())
    return f"<dl>{rows}</dl>"
