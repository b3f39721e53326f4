"""What docs/billing.md shows of the API is what happens, and what it lists is all there is."""

import json
import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "billing.md"


def part(said, found):
    """Says whether everything that is said is found, at its place; more may be there."""
    if isinstance(said, dict):
        return all(name in found and part(said[name], found[name]) for name in said)
    if isinstance(said, list):
        return len(said) == len(found) and all(map(part, said, found))
    return said == found


def test_examples_are_what_happens(customer, meter, rate):
    text = PAGE.read_text(encoding="utf-8")
    text = text.replace("{account}", str(customer.account)).replace("{rate}", str(rate.id))
    examples = re.findall(r"^\$ (\w+) (\S+) ?(.*)\n(\d+) (.*)$", text, re.MULTILINE)
    assert len(examples) == 12
    for method, path, body, status, said in examples:
        caller = meter if "/customers/" in path else customer
        if "{" not in body:
            body = ""
        answer = caller(method, path, json.loads(body) if body else None)
        assert answer.status_code == int(status), answer.text
        assert part(json.loads(said), answer.json), answer.text


def test_page_lists_every_variable_that_is_read():
    from dressform.billing_server import settings

    source = Path(settings.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r'given(?:\.get\(|\[)"([A-Z_]+)"', source))
    names |= {*settings.REAL, *settings.MAIL, *settings.OIDC}
    assert len(names) >= 15
    listed = set(re.findall(r"`([A-Z][A-Z_]+)`", PAGE.read_text(encoding="utf-8")))
    assert names <= listed


def test_page_lists_every_code():
    from dressform.billing_server import problems

    listed = set(re.findall(r"`([a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    ours = {code for code, status in problems.STATUS.items() if code != "signature"}
    assert ours | set(problems.CODES.values()) - {"forbidden"} <= listed
