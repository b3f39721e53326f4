"""The comparison as one HTML file that opens by double click and asks no server for anything."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from .. import report as pages
from . import plots, wording
from .exhibits import Exhibit
from .wording import Told

TEMPLATE = Path(__file__).parent / "page.html"
TINTS = {"SHIP": "pass", "SHIP TO SLICE": "warn", "NEED MORE": "warn", "HOLD": "fail"}
STATES = {
    "pass": ("pass", Told("harmless", "无害")),
    "straddles": ("warn", Told("open", "未定")),
    "worse": ("fail", Told("worse", "变差")),
    "unmeasurable": ("unmeasurable", Told("not measurable", "无法测量")),
}
FACTORS_UNKNOWN = Told(
    "Not known: folders of pictures do not tell. Make sure that only one thing was changed.",
    "未知:图片文件夹中没有记录。请确认只改动了一处。",
)
NO_FACTOR = Told("Nothing but the seeds.", "除种子外没有差异。")
NONE = Told("None.", "无。")
MARGIN = Told("margin", "允许值")


def build(
    document: Mapping[str, Any], exhibits: Sequence[Exhibit], *, factors_known: bool = True
) -> str:
    """Returns the page.

    Args:
        document: As `document.build` makes it.
        exhibits: The worst pairs.
        factors_known: Whether anybody knows what differs between the two.
    """
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=_text(document["suite"]["name"]),
        tint=TINTS[document["decision"]],
        headline=_both(Told(**document["headline"])),
        decision=_decision(document),
        sentence=_both(Told(**document["sentence"])),
        reasons="".join(f"<li>{_both(Told(r['en'], r['zh']))}</li>" for r in document["reasons"]),
        numbers=_numbers(document),
        table=_table(document),
        forest=plots.forest(document),
        new_fails=_new_fails(document),
        targets=_targets(document),
        alarms=_alarms(document),
        pairs="".join(_pair(number, one) for number, one in enumerate(exhibits, 1)),
        power=plots.power(document),
        power_text=_power(document),
        factors=_factors(document, factors_known),
        hashes=_hashes(document),
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _both(told: Told) -> str:
    return f'<span lang="en">{_text(told.en)}</span><span lang="zh">{_text(told.zh)}</span>'


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "&ndash;"
    return f"{_signed(value, 2)}{'&#8239;' + _text(unit) if unit else ''}"


def _signed(value: float, digits: int) -> str:
    # Adding 0 makes -0.0 a plain 0.
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "&minus;")


def _decision(document: Mapping[str, Any]) -> str:
    return _text(wording.label(document["decision"], document["ship_to"], document["more_scenes"]))


def _numbers(document: Mapping[str, Any]) -> str:
    new = document["new_fails"]
    cells = [
        (document["scenes"], Told("scenes", "场景")),
        (len(document["seeds"]), Told("seeds each, averaged", "种子(取平均)")),
        (len({gate["slice"] for gate in document["gates"]}), Told("slices", "分组")),
        (new["failed"], Told("scenes that newly fail", "新增不合格场景")),
        (new["fixed"], Told("scenes that no longer fail", "不再不合格的场景")),
    ]
    return "".join(f"<div><b>{_text(n)}</b>{_both(told)}</div>" for n, told in cells)


def _table(document: Mapping[str, Any]) -> str:
    gates, margins = document["gates"], document["margins"]
    metrics = list(dict.fromkeys(gate["metric"] for gate in gates))
    head = "".join(
        f"<th>{_both(wording.metric(name))}<small>{_both(MARGIN)} {margins[name]:g}</small></th>"
        for name in metrics
    )
    rows = []
    for name in dict.fromkeys(gate["slice"] for gate in gates):
        cells = {gate["metric"]: gate for gate in gates if gate["slice"] == name}
        count = max(gate["scenes"] for gate in cells.values())
        body = "".join(_cell(cells[metric]) for metric in metrics)
        rows.append(f'<tr><th>{_text(name)}</th><td class="n">{count}</td>{body}</tr>')
    corner = f"<th>{_both(Told('slice', '分组'))}</th><th>{_both(Told('scenes', '场景'))}</th>"
    return f"<table><thead><tr>{corner}{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(gate: Mapping[str, Any]) -> str:
    tint, told = STATES[gate["state"]]
    gain = gate["gain"]
    if gain is None:
        numbers = ""
    else:
        numbers = f"<b>{_number(gain['mean'], gate['unit'])}</b>"
        if gain["low"] is not None:
            numbers += (
                f" <small>{_signed(gain['low'], 2)} &hellip; {_signed(gain['high'], 2)}</small>"
            )
    return f'<td class="n {tint}">{numbers}<span class="state {tint}">{_both(told)}</span></td>'


def _new_fails(document: Mapping[str, Any]) -> str:
    new = document["new_fails"]
    tint, told = STATES[new["state"]]
    text = Told(
        f"{new['failed']} of {new['scenes']} scenes fail on every seed and did not before; "
        f"{new['fixed']} the other way round. With 95 % confidence at most {new['upper']:.1%} of "
        f"all scenes newly fail (limit 5 %). McNemar p = {new['p']:.3f}.",
        f"{new['scenes']} 个场景中有 {new['failed']} 个在所有种子上由合格变为不合格,"
        f"{new['fixed']} 个反之。95 % 置信度下,新增不合格最多占 {new['upper']:.1%}"
        f"(上限 5 %)。McNemar p = {new['p']:.3f}。",
    )
    cases = "".join(
        f"<li>{_text(case['scene'])}: {_both(wording.metric(case['check']))}"
        f"{' (lost)' if case['kind'] == 'lost' else ''}</li>"
        for case in new["cases"]
    )
    listed = f"<ul class='cases'>{cases}</ul>" if cases else ""
    return f'<p><span class="state {tint}">{_both(told)}</span> {_both(text)}</p>{listed}'


def _targets(document: Mapping[str, Any]) -> str:
    rows = []
    for target in document["targets"]:
        tint = "pass" if target["proven"] else "warn"
        told = Told("proven", "已证明") if target["proven"] else Told("not proven", "未证明")
        where = _text(target["slice"]) if target["slice"] else _both(Told("all scenes", "所有场景"))
        gain = "" if target["gain"] is None else _number(target["gain"]["mean"], target["unit"])
        rows.append(
            f"<li>{_both(wording.metric(target['metric']))}, {where}: <b>{gain}</b>, "
            f"p = {target['adjusted']:.4f} "
            f'<span class="state {tint}">{_both(told)}</span></li>'
        )
    return f"<ul>{''.join(rows)}</ul>" if rows else f"<p>{_both(NONE)}</p>"


def _alarms(document: Mapping[str, Any]) -> str:
    raised = [alarm for alarm in document["alarms"] if alarm["raised"]]
    rows = "".join(
        f"<li>{_both(wording.metric(alarm['metric']))}, {_text(alarm['slice'])}: "
        f"<b>{_number(alarm['gain'], alarm['unit'])}</b>, p = {alarm['adjusted']:.4f}</li>"
        for alarm in raised
    )
    rows += "".join(
        f"<li>{_both(wording.metric(one['metric']))}, {_text(one['slice'])}: "
        f"{_both(_evidence(one['stop_after']))}</li>"
        for one in document["evidence"]
        if one["stop_after"] is not None
    )
    return f"<ul>{rows}</ul>" if rows else f"<p>{_both(NONE)}</p>"


def _evidence(scenes: int) -> Told:
    return Told(
        f"evidence of a loss was enough after {scenes} scenes; a run could have been stopped there",
        f"{scenes} 个场景后退步的证据已足够,可提前停止",
    )


def _pair(number: int, one: Exhibit) -> str:
    entry = one.entry
    losses = ", ".join(
        f"{_both(wording.metric(name))} {_signed(-loss, 1)}"
        for name, loss in entry["losses"].items()
        if loss is not None
    )
    fails = "".join(
        f'<span class="state fail">{_both(wording.metric(name))}</span> '
        for name in entry["new_fails"]
    )
    heat = (
        f'<img class="heat" alt="heatmap" src="{pages.data_uri(one.heatmap)}">'
        if one.heatmap is not None
        else ""
    )
    labels = (Told("old", "旧"), Told("new", "新"))
    return f"""<figure><div class="views"><div class="slider" style="--cut:50%">
<img alt="old" src="{pages.data_uri(one.before)}">
<img class="after" alt="new" src="{pages.data_uri(one.after)}">
<span class="tag left">{_both(labels[0])}</span><span class="tag right">{_both(labels[1])}</span>
<input type="range" min="0" max="100" value="50" aria-label="old or new"></div>{heat}</div>
<figcaption><b>{number}. {_text(entry["scene"])}</b>
<small>{_text(", ".join(entry["slices"]))} &middot; seed {entry["seed"]}</small>
<p>{losses}</p><p>{fails}</p></figcaption></figure>"""


def _power(document: Mapping[str, Any]) -> str:
    rows = []
    for entry in document["power"]:
        name, unit = wording.metric(entry["metric"]), entry["unit"]
        now = min(
            (g["scenes"], g["provable"])
            for g in document["gates"]
            if g["metric"] == entry["metric"]
        )
        rows.append(
            Told(
                f"{name.en}: with {now[0]} scenes, as in the smallest slice, you can prove "
                f"{'no margin' if now[1] is None else f'a margin of {now[1]:.2g} {unit}'}; yours "
                f"of {entry['margin']:g} {unit} needs {entry['scenes_needed']} in each slice, "
                f"{entry['scenes_needed_for_all']} to pass all gates nine times out of ten.",
                f"{name.zh}:最小分组有 {now[0]} 个场景,可证明的允许值为 "
                f"{'无' if now[1] is None else f'{now[1]:.2g} {unit}'};您的允许值 "
                f"{entry['margin']:g} {unit} 每个分组需要 {entry['scenes_needed']} 个场景。",
            )
        )
    noise = document["noise"]
    for entry in noise["metrics"] if noise else ():
        name = wording.metric(entry["metric"])
        text = f"{entry['spread']:.2g} {entry['unit']}"
        rows.append(
            Told(
                f"{name.en}: two runs of the old version differ by {text} (standard deviation).",
                f"{name.zh}:旧版本两次运行之间的差异为 {text}(标准差)。",
            )
        )
    return "".join(f"<li>{_both(told)}</li>" for told in rows)


def _factors(document: Mapping[str, Any], known: bool) -> str:
    if not known:
        return f"<p>{_both(FACTORS_UNKNOWN)}</p>"
    if not document["factors"]:
        return f"<p>{_both(NO_FACTOR)}</p>"
    rows = "".join(
        f"<tr><th>{_text(f['where'])}</th><td>{_text(f['kind'])}</td>"
        f"<td>{_text(f['before']) or '&ndash;'}</td><td>{_text(f['after']) or '&ndash;'}</td></tr>"
        for f in document["factors"]
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _hashes(document: Mapping[str, Any]) -> str:
    rows = {"suite": document["suite"]["sha256"], "profile": document["suite"]["profile"]}
    rows |= document["pictures"]
    return "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in rows.items())
