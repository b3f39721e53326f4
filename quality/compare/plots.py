"""Plots of a comparison as SVG that takes the page's colours, in light and in dark."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import wording

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn in these, and replaced by the page's variables in the SVG.
COLORS = {
    "ink": "#101112",
    "soft": "#707172",
    "line": "#d0d1d2",
    "pass": "#167a51",
    "straddles": "#9a5b01",
    "worse": "#b02023",
    "unmeasurable": "#6b6e71",
}
VARIABLES = {"straddles": "warn", "worse": "fail"}
INCH_PER_ROW, INCH_PER_METRIC = 0.34, 3.1
PICTURE_DPI, WRAP_LETTERS = 130, 90
MOST_SLICES = 24  # rows in the picture; the table has them all


def forest(document: Mapping[str, Any]) -> str:
    """Draws the mean gain of every gate with its interval, and the margin that it must clear."""
    return _svg(_forest(document))


def _forest(document: Mapping[str, Any]) -> "Figure":
    gates = document["gates"]
    metrics = list(dict.fromkeys(gate["metric"] for gate in gates))
    slices = list(dict.fromkeys(gate["slice"] for gate in gates))[:MOST_SLICES]
    size = (INCH_PER_METRIC * max(2, len(metrics)) + 1, INCH_PER_ROW * len(slices) + 1.3)
    figure, axes = _figure(size, len(metrics))
    for place, (axis, metric) in enumerate(zip(axes, metrics, strict=True)):
        cells = {gate["slice"]: gate for gate in gates if gate["metric"] == metric}
        _forest_column(axis, cells, slices)
        unit = next(iter(cells.values()))["unit"]
        axis.set_title(wording.metric(metric).en, loc="left", color=COLORS["ink"], fontsize=11)
        axis.set_xlabel(f"gain, {unit}" if unit else "gain", color=COLORS["soft"], fontsize=9)
        axis.set_yticks(range(len(slices)), slices if place == 0 else [])
        axis.set_ylim(len(slices) - 0.5, -0.5)
    return figure


def power(document: Mapping[str, Any]) -> str:
    """Draws which margin a number of scenes can prove, beside the margins that were asked."""
    entries = document["power"]
    if not entries:
        return ""
    figure, axes = _figure((INCH_PER_METRIC * max(2, len(entries)) + 1, 2.7), len(entries))
    for axis, entry in zip(axes, entries, strict=True):
        known = [point for point in entry["provable"] if point["margin"] is not None]
        scenes = [point["scenes"] for point in known]
        axis.plot(scenes, [p["margin"] for p in known], color=COLORS["ink"], lw=1.6)
        axis.axhline(entry["margin"], color=COLORS["worse"], lw=1.2, ls=(0, (4, 3)))
        count = entry["scenes_needed"]
        if count <= scenes[-1]:
            axis.plot([count], [entry["margin"]], "o", color=COLORS["worse"], ms=5)
        axis.annotate(
            f"{count} scenes",
            (min(count, scenes[-1]), entry["margin"]),
            xytext=(6, 6),
            textcoords="offset points",
            ha="left" if count < scenes[-1] / 2 else "right",
            fontsize=9,
            color=COLORS["ink"],
        )
        axis.set_title(wording.metric(entry["metric"]).en, loc="left", fontsize=11)
        axis.set_xlabel("scenes in a slice", color=COLORS["soft"], fontsize=9)
        axis.set_ylabel(f"provable margin, {entry['unit']}", color=COLORS["soft"], fontsize=9)
        axis.set_ylim(0, max([entry["margin"] * 1.6, *(p["margin"] for p in known)]) * 1.05)
        axis.set_xlim(left=0)
    return _svg(figure)


def _forest_column(axis: "Axes", cells: Mapping[str, Mapping[str, Any]], names: Sequence[str]):
    margin = next(iter(cells.values()))["margin"]
    axis.axvline(0, color=COLORS["line"], lw=1)
    axis.axvline(-margin, color=COLORS["worse"], lw=1.2, ls=(0, (4, 3)))
    for row, name in enumerate(names):
        gate = cells.get(name)
        if gate is None or gate["gain"] is None:
            axis.text(0, row, "not measured", ha="center", va="center", fontsize=8)
            continue
        gain, color = gate["gain"], COLORS[gate["state"]]
        if gain["low"] is not None:
            axis.plot([gain["low"], gain["high"]], [row, row], color=color, lw=2.2)
        axis.plot([gain["mean"]], [row], "o", color=color, ms=5.5)
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, -1.25 * margin), max(high, 0.6 * margin))


def _figure(size: tuple[float, float], columns: int) -> tuple["Figure", list["Axes"]]:
    # Not pyplot: it keeps state and looks for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = [figure.add_subplot(1, columns, place + 1) for place in range(columns)]
    for axis in axes:
        axis.tick_params(colors=COLORS["soft"], labelsize=9, length=0)
        axis.grid(visible=True, axis="x", color=COLORS["line"], lw=0.5)
        axis.set_axisbelow(True)
        axis.patch.set_visible(False)
        for side in axis.spines.values():
            side.set_visible(False)
    return figure, axes


def _svg(figure: "Figure") -> str:
    import matplotlib as mpl

    stream = io.StringIO()
    # Text as text: it takes the page's font. A fixed salt and no date: the same bytes every time.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "dressform"}
    with mpl.rc_context(settings):
        figure.savefig(
            stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for name, color in COLORS.items():
        text = text.replace(color, f"var(--{VARIABLES.get(name, name)})")
    return text.replace('width="', 'data-width="', 1).replace('height="', 'data-height="', 1)


def picture(document: Mapping[str, Any]) -> "np.ndarray":
    """Draws verdict and gates as a picture for where no page can be shown.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _forest(document)
    figure.set_facecolor("white")
    said = textwrap.fill(document["sentence"]["en"], WRAP_LETTERS)
    figure.suptitle(
        f"{document['decision']}: {said}", x=0.02, ha="left", fontsize=11, color=COLORS["ink"]
    )
    figure.set_dpi(PICTURE_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
