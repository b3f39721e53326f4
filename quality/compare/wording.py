"""The verdict on a change in sentences, English and Chinese, for somebody who sells clothes."""

from collections.abc import Sequence
from typing import NamedTuple

from .. import wording as checks
from . import gates, verdict
from .verdict import Decision

HEADLINES = {
    verdict.SHIP: ("Ship it", "可以上线"),
    verdict.SHIP_TO_SLICE: ("Ship it to a part only", "仅部分上线"),
    verdict.NEED_MORE: ("Not decided yet", "尚不能决定"),
    verdict.HOLD: ("Keep the old version", "保留旧版本"),
}
REASONS = {
    "proven": (
        "In every slice the loss is proven to be below its margin, new fails are rare, and the "
        "improvement that was named before the run is real.",
        "每个分组的损失都已证明低于允许值,新增不合格很少,且事先指定的改进确实存在。",
    ),
    "blocker": (
        "A fault that no buyer may see is new: {blockers}.",
        "出现了买家绝不能看到的新缺陷:{blockers}。",
    ),
    "new_fails_worse": (
        "{failed} of {count} scenes fail now that did not before, {fixed} the other way round.",
        "{count} 个场景中有 {failed} 个由合格变为不合格,{fixed} 个反之。",
    ),
    "gate_worse": (
        "Worse by more than the margin: {worse}.",
        "变差且超过允许值:{worse_zh}。",
    ),
    "alarm": ("Became worse, beyond chance: {alarms}.", "变差,且非偶然:{alarms_zh}。"),
    "gate_unmeasurable": (
        "Could not be measured, which is no pass: {unmeasurable}.",
        "无法测量,不算通过:{unmeasurable_zh}。",
    ),
    "new_fails_unmeasurable": (
        "With one seed no new fail can be confirmed; two are needed.",
        "只有一个种子,无法确认新增不合格;至少需要两个。",
    ),
    "new_fails_straddle": (
        "{failed} new fails in {count} scenes leave it open whether more than 5 % of all fail.",
        "{count} 个场景中 {failed} 个新增不合格,尚不能证明总体低于 5 %。",
    ),
    "gate_straddles": (
        "Not yet proven to be harmless: {straddling}.",
        "尚未证明无害:{straddling_zh}。",
    ),
    "no_improvement": (
        "The improvement that was named before the run is not proven: {targets}.",
        "事先指定的改进未得到证明:{targets_zh}。",
    ),
    "unstable": (
        "The baseline came out worse than itself: {unstable}. Look at how the pictures are made.",
        "旧版本与自身相比也变差:{unstable_zh}。请检查图片的生成方式。",
    ),
}
# Exit status of the command, by decision.
EXIT = {verdict.SHIP: 0, verdict.SHIP_TO_SLICE: 3, verdict.NEED_MORE: 4, verdict.HOLD: 5}
MOST_NAMED = 4


class Told(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str


def headline(found: Decision) -> Told:
    """Returns the verdict in a few words."""
    return Told(*HEADLINES[found.decision])


def label(decision: str, slices: Sequence[str], more: int) -> str:
    """Returns the decision with its slices or its number of scenes."""
    if decision == verdict.SHIP_TO_SLICE:
        return f"{decision} {', '.join(slices)}"
    return f"NEED {more} MORE" if decision == verdict.NEED_MORE else decision


def sentence(found: Decision, scenes: int) -> Told:
    """Returns the verdict as one sentence."""
    if found.decision == verdict.SHIP:
        return Told(
            f"Use the new version: over {scenes} scenes nothing got worse that a buyer would "
            "notice, and it does what it was made for.",
            f"可以使用新版本:在 {scenes} 个场景中没有买家会注意到的退步,且达到了改动的目的。",
        )
    if found.decision == verdict.SHIP_TO_SLICE:
        named = ", ".join(found.slices)
        return Told(
            f"Use the new version for {named} only; keep the old one for everything else, where "
            "the new one does harm.",
            f"仅对 {named} 使用新版本;其余保留旧版本,因为新版本在那里变差。",
        )
    if found.decision == verdict.NEED_MORE:
        return Told(
            f"Do not switch yet: measure about {found.more} more scenes. So far nothing is proven "
            "to be worse, but these scenes are too few to promise it.",
            f"暂不切换:请再测约 {found.more} 个场景。目前未证明变差,但场景太少,不能保证。",
        )
    if found.is_worse:
        return Told(
            "Keep the old version: the new one makes pictures worse that you sell.",
            "保留旧版本:新版本会使您销售的图片变差。",
        )
    if found.reasons == ("unstable",):
        return Told(
            "Keep the old version: nothing can be decided, since two runs of it already differ.",
            "保留旧版本:旧版本的两次运行已不一致,无法判断。",
        )
    if "gate_unmeasurable" in found.reasons or "new_fails_unmeasurable" in found.reasons:
        return Told(
            "Keep the old version: what matters could not be measured, and that is no pass.",
            "保留旧版本:关键项目无法测量,不算通过。",
        )
    new = found.all.new_fails
    if "new_fails_straddle" in found.reasons and new.needed is None:
        return Told(
            f"Keep the old version: {new.failed} of {new.scenes} scenes would no longer be fit for "
            "sale, which is too many.",
            f"保留旧版本:{new.scenes} 个场景中有 {new.failed} 个将不再适合销售,数量过多。",
        )
    if "no_improvement" not in found.reasons:
        return Told(
            "Keep the old version: to prove the new one harmless would take thousands of scenes.",
            "保留旧版本:要证明新版本无害,需要数千个场景。",
        )
    return Told(
        "Keep the old version: the new one is not proven to be worse, but it is not proven to do "
        "what it was made for either.",
        "保留旧版本:新版本未证明变差,但也未证明达到改动的目的。",
    )


def reasons(found: Decision) -> list[Told]:
    """Returns every reason as a sentence, the weightiest first."""
    words = _words(found)
    return [
        Told(REASONS[reason][0].format(**words), REASONS[reason][1].format(**words))
        for reason in found.reasons
    ]


def metric(name: str) -> Told:
    """Returns a metric's titles; a name that is no check of ours stays as it is."""
    try:
        return Told(checks.title(name), checks.title_zh(name))
    except KeyError:
        return Told(name, name)


def _words(found: Decision) -> dict[str, object]:
    outcomes = found.all.gates
    told: dict[str, object] = {
        "failed": found.all.new_fails.failed,
        "fixed": found.all.new_fails.fixed,
        "count": found.all.new_fails.scenes,
        "blockers": _listed([f"{case.check} at {case.scene}" for case in found.all.blockers]),
    }
    places = {
        "worse": [(g.metric, g.slice) for g in outcomes if g.state == gates.WORSE],
        "straddling": [(g.metric, g.slice) for g in outcomes if g.state == gates.STRADDLES],
        "unmeasurable": [(g.metric, g.slice) for g in outcomes if g.state == gates.UNMEASURABLE],
        "alarms": [(alarm.metric, alarm.slice) for alarm in found.all.raised],
        "targets": [(t.metric, t.slice or "") for t in found.all.targets if not t.proven],
        "unstable": [(name, where) for where, name in found.unstable],
    }
    for key, cells in places.items():
        told[key] = _listed([_cell(metric(name).en, " in ", where) for name, where in cells])
        told[f"{key}_zh"] = _listed([_cell(metric(name).zh, " · ", where) for name, where in cells])
    return told


def _cell(name: str, between: str, where: str) -> str:
    return f"{name}{between}{where}" if where else name


def _listed(items: list[str]) -> str:
    more = f" … +{len(items) - MOST_NAMED}" if len(items) > MOST_NAMED else ""
    return ", ".join(items[:MOST_NAMED]) + more
