"""The comparison as JUnit XML, which every CI server shows."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from . import gates


def build(document: Mapping[str, Any]) -> str:
    """Returns one test case per gate, for the new fails, the targets and the verdict."""
    suite = ET.Element("testsuite", name=f"dressform compare {document['suite']['name']}")
    for gate in document["gates"]:
        _case(suite, f"{gate['metric']} in {gate['slice']}", "gates", _gate(gate), gate["state"])
    new = document["new_fails"]
    told = f"{new['failed']} new fails in {new['scenes']} scenes, at most {new['upper']:.1%} of all"
    _case(suite, "new fails", "new_fails", told, new["state"])
    for target in document["targets"]:
        where = target["slice"] or "all scenes"
        told = f"p {target['adjusted']:.3g} after Holm, below 0.05 needed"
        state = gates.PASS if target["proven"] else "not proven"
        _case(suite, f"{target['metric']} better in {where}", "targets", told, state)
    shipped = gates.PASS if document["decision"] == "SHIP" else document["decision"]
    _case(suite, "verdict", "verdict", document["sentence"]["en"], shipped)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    ET.indent(suite)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"
    )


def _case(suite: ET.Element, name: str, group: str, told: str, state: str) -> None:
    case = ET.SubElement(suite, "testcase", name=name, classname=f"compare.{group}")
    if state != gates.PASS:
        ET.SubElement(case, "failure", message=f"{state}: {told}", type=state)


def _gate(gate: Mapping[str, Any]) -> str:
    gain, unit = gate["gain"], gate["unit"]
    if gain is None:
        return f"measured in {gate['scenes']} scenes only"
    if gain["low"] is None:
        return f"{gate['scenes']} scenes are too few for a bound"
    return (
        f"mean gain {gain['mean']:.3g} {unit}, at least {gain['low']:.3g}; must be above "
        f"-{gate['margin']:.3g}"
    )
