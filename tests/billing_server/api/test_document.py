"""The served OpenAPI document, and schemathesis against it on a real database."""

import contextlib
import os
from collections import Counter

import pytest

# Calls that schemathesis makes up for each operation; DRESSFORM_FUZZ=500 for a long look.
CREDIT = 1_000_000
EXAMPLES = int(os.environ.get("DRESSFORM_FUZZ", "10"))


def test_document_is_openapi_3_1(app):
    document = app.test_client().get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert call["summary"], path
            assert call["security"] == [{"key": []}], path
            assert {"401", "422", "429", "503"} <= set(call["responses"]), path
            if call["tags"] == ["Hosted runs"]:
                continue  # Comfy's own convention: a key is no duty
            named = {one["name"] for one in call["parameters"]}
            assert ("Idempotency-Key" in named) == call["x-keyed"], path
            assert call["x-keyed"] or method != "post" or path.endswith("/quote")


def operations(app):
    import schemathesis

    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    schema.config.generation.update(with_security_parameters=False)
    return [one.ok() for one in schema.get_all_operations()]


@pytest.mark.parametrize("right", [True, False], ids=["right calls", "wrong calls"])
def test_answers_are_what_the_document_says(app, caller, hold, rate, right, parts):
    """No 5xx, no answer that the document does not have, no wrong call that is let in."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis import GenerationMode
    from schemathesis.checks import load_all_checks, not_a_server_error
    from schemathesis.specs.openapi import checks

    load_all_checks()
    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
        checks.unsupported_method,
        checks.ignored_auth,
    ]
    for _ in range(9):  # so that numbers made up at random name something now and then
        hold(CREDIT)
    admin = caller("admin", "meter", "manage", "read", "buy", "run")
    headers = {"Authorization": f"Bearer {admin.secret}"}
    mode = GenerationMode.POSITIVE if right else GenerationMode.NEGATIVE
    all_ = operations(app)
    assert len(all_) >= 51
    statuses = Counter()
    for operation in all_:

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def fuzz(case):
            answer = case.call_and_validate(headers=headers, checks=held)
            statuses[answer.status_code] += 1

        with contextlib.suppress(Unsatisfiable):  # a call that takes nothing cannot be wrong
            fuzz()
    assert sum(statuses.values()) >= len(all_)
    assert not right or statuses[200] + statuses[201] >= 29, statuses
    assert parts.ledger.verify().problems == ()
