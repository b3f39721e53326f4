"""The calls of the API: what they do, and what a caller reads if they do not."""

import pytest

CREDIT = 1_000_000

pytestmark = pytest.mark.usefixtures("clean")


def test_run_is_held_captured_and_explained(customer, hold, meter, rate):
    made = hold(5 * CREDIT, run="run-1", workflow="ghost.json", api_key="7")
    assert made.status_code == 201
    assert customer("GET", "/balance").json["held"] == "5"
    path = meter.holds(customer.account, f"/{made.json['seq']}/capture")
    captured = meter("POST", path, {"rate": rate.id, "gpu_ms": 1_500_001})
    assert (captured.json["amount"], captured.json["amount_micro"]) == ("1.5001", 1_500_100)
    assert customer("GET", "/balance").json["available_micro"] == 10 * CREDIT - 1_500_100
    (capture, *_, grant) = customer("GET", "/statement").json["lines"]
    assert (capture["movement"]["kind"], capture["movement"]["run"]) == ("capture", "run-1")
    assert grant["movement"]["kind"] == "grant"
    assert sum(entry["amount_micro"] for entry in capture["entries"]) == 0


@pytest.mark.parametrize(
    ("by", "what"), [("day", "2026-03-14"), ("key", "7"), ("run", "run-1"), ("gpu", "h100")]
)
def test_usage_is_told_by(customer, hold, meter, rate, by, what):
    for number in (1, 2):
        seq = hold(CREDIT, run=f"run-{number}", workflow="ghost.json", api_key="7").json["seq"]
        path = meter.holds(customer.account, f"/{seq}/capture")
        meter("POST", path, {"rate": rate.id, "gpu_ms": 1000 * number})
    period = "since=2026-03-14T00:00:00Z&until=2026-03-15T00:00:00Z"
    rows = customer("GET", f"/usage?{period}&by={by}").json["rows"]
    assert rows[0]["what"] == what
    assert sum(row["amount_micro"] for row in rows) == 3_000
    assert sum(row["gpu_ms"] for row in rows) == 3_000


def test_usage_by_workflow_leaves_out_what_was_given_back(admin, customer, hold, meter, rate):
    seq = hold(CREDIT, run="run-1", workflow="ghost.json").json["seq"]
    path = meter.holds(customer.account, f"/{seq}/capture")
    capture = meter("POST", path, {"rate": rate.id, "gpu_ms": 1000}).json["seq"]
    back = f"/customers/{customer.account}/captures/{capture}/reversal"
    body = {"reason": "our fault", "amount_micro": 400}
    assert admin("POST", back, body).status_code == 201
    period = "since=2026-03-14T00:00:00Z&until=2026-03-15T00:00:00Z"
    (row,) = customer("GET", f"/usage?{period}&by=workflow").json["rows"]
    assert (row["what"], row["amount_micro"], row["runs"]) == ("ghost.json", 600, 1)


def test_statement_is_read_page_by_page(customer, hold):
    for _ in range(4):
        hold(1)
    seen, path = [], "/statement?limit=2"
    while path:
        page = customer("GET", path).json
        seen += [line["movement"]["seq"] for line in page["lines"]]
        path = page["next"] and f"/statement?limit=2&before={page['next']}"
    assert seen == [5, 4, 3, 2, 1]


def test_hold_is_extended_and_released(customer, hold, meter, clock):
    seq = hold(100).json["seq"]
    more = {"amount_micro": 50, "expires_at": clock.after(minutes=9).isoformat()}
    path = meter.holds(customer.account, f"/{seq}")
    assert meter("POST", f"{path}/extend", more).json["amount_micro"] == 50
    assert customer("GET", "/balance").json["held_micro"] == 150
    assert meter("POST", f"{path}/release", {"reason": "no GPU"}).json["reason"] == "no GPU"
    assert customer("GET", "/balance").json["held_micro"] == 0


def test_quote_costs_what_the_capture_will(customer, rate):
    body = {"gpu_class": "h100", "seconds": 1.5}
    quote = customer("POST", "/quote", body).json
    assert (quote["amount_micro"], quote["gpu_ms"], quote["rate"]["id"]) == (1500, 1500, rate.id)
    assert "h100" in [one["gpu_class"] for one in customer("GET", "/rates").json["rates"]]


def test_budget_limits_the_holds_of_a_key(customer, hold):
    key = customer("POST", "/keys", {"name": "k", "scopes": ["run"]}).json["id"]
    body = {"api_key": str(key), "per_day_micro": 150}
    (made,) = customer("PUT", "/budgets", body).json["budgets"]
    assert (made["budget"]["per_day"], made["budget"]["per_run"]) == ("0.00015", None)
    assert hold(100, api_key=str(key)).status_code == 201
    refused = hold(100, api_key=str(key))
    assert (refused.status_code, refused.json["code"]) == (402, "budget_exceeded")
    assert customer("GET", "/budgets").json["budgets"][0]["spent_day_micro"] == 100


def test_budget_is_of_a_key_of_the_account(customer, caller):
    other = caller()("POST", "/keys", {"name": "k", "scopes": ["run"]}).json["id"]
    answer = customer("PUT", "/budgets", {"api_key": str(other), "per_day_micro": 1})
    assert answer.status_code == 404


def test_key_is_made_used_rotated_and_revoked(customer, caller, app, clock, parts):
    made = customer("POST", "/keys", {"name": "laptop", "scopes": ["read"]}).json
    assert made["secret"].startswith("df_")
    assert len(made["secret"]) == 3 + 43  # 32 bytes in base64
    listed = customer("GET", "/keys").json["keys"][0]
    assert "secret" not in listed
    assert (listed["name"], listed["hint"]) == ("laptop", made["secret"][-4:])

    def status(secret):
        headers = {"Authorization": f"Bearer {secret}"}
        return app.test_client().get("/api/v1/balance", headers=headers).status_code

    assert status(made["secret"]) == 200
    fresh = customer("POST", f"/keys/{made['id']}/rotate").json["secret"]
    assert [status(made["secret"]), status(fresh)] == [200, 200]
    clock.advance(days=1)
    assert [status(made["secret"]), status(fresh)] == [401, 200]
    assert customer("DELETE", f"/keys/{made['id']}").json["revoked_at"]
    assert status(fresh) == 401
    assert customer("DELETE", f"/keys/{made['id']}").status_code == 200
    assert customer("POST", f"/keys/{made['id']}/rotate").status_code == 404


def test_packs_are_bought_by_a_page_of_the_provider(customer, simulator):
    pack = customer("GET", "/packs").json["packs"][0]
    made = customer("POST", "/checkouts", {"pack": pack["id"]})
    assert made.status_code == 201
    assert made.json["url"].startswith(simulator.url)
    order = customer("GET", f"/checkouts/{made.json['order']}").json
    assert (order["state"], order["credits"]) == ("open", pack["credits"])
    assert customer("GET", "/purchases").json["purchases"] == []


def test_auto_top_up_is_set(customer):
    body = {
        "enabled": True,
        "threshold_micro": CREDIT,
        "pack_id": "starter",
        "monthly_cap_minor": 5000,
    }
    assert customer("PUT", "/auto-top-up", body).json["monthly_cap_minor"] == 5000
    assert customer("GET", "/auto-top-up").json["threshold"] == "1"


def test_admin_makes_a_customer_and_gives_credits(admin, caller):
    body = {"email": "New.Customer@Shop.example", "name": "New"}
    made = admin("POST", "/customers", body).json
    assert made["email"] == "new.customer@shop.example"
    assert admin("POST", "/customers", body).json["account"] == made["account"]
    given = {"amount_micro": CREDIT, "kind": "goodwill", "reason": "a slow day"}
    grant = admin("POST", f"/customers/{made['account']}/grants", given)
    assert (grant.status_code, grant.json["reason"]) == (201, "a slow day")
    assert admin("GET", f"/customers/{made['account']}/balance").json["available"] == "1"
    (line,) = admin("GET", f"/customers/{made['account']}/statement").json["lines"]
    assert line["movement"]["amount"] == "1"
    assert admin("GET", "/customers?search=new.customer").json["customers"] == [made]


def test_rate_is_added(admin, clock):
    body = {"gpu_class": "new-gpu", "micro_per_gpu_s": 5, "step_ms": 100}
    made = admin("POST", "/rates", body)
    assert (made.status_code, made.json["version"]) == (201, 1)
    dearer = body | {"micro_per_gpu_s": 6, "valid_from": clock().isoformat()}
    assert admin("POST", "/rates", dearer).json["code"] == "exists"
    dearer["valid_from"] = clock.after(days=30).isoformat()
    assert admin("POST", "/rates", dearer).json["version"] == 2


@pytest.mark.parametrize("scope", ["read", "run", "buy", "manage", "meter", "admin"])
def test_call_takes_its_scope(app, caller, scope):
    """By the document: every call but those for any key is refused to a key without its scope."""
    paths = app.test_client().get("/openapi.json").json["paths"]
    ours = {name: path for name, path in paths.items() if name.startswith("/api/v1/")}
    calls = [(m, p, call) for p, path in ours.items() for m, call in path.items()]
    assert len(calls) >= 29
    one = caller(scope)
    for method, path, call in calls:
        filled = path.replace("{order}", "x")
        for name in ("{account}", "{id}", "{hold}", "{capture}"):
            filled = filled.replace(name, "1")
        answer = one(method.upper(), filled, {} if "requestBody" in call else None)
        assert (answer.status_code == 403) == (call["x-scope"] not in (scope, "any")), path


def test_put_and_delete_may_be_repeated_without_a_key(customer, parts):
    made = customer("POST", "/keys", {"name": "k", "scopes": ["read"]}).json
    top_up = {"enabled": True, "threshold_micro": CREDIT, "monthly_cap_minor": 5000}
    top_up["pack_id"] = customer("GET", "/packs").json["packs"][0]["id"]
    budget = {"per_day_micro": 5 * CREDIT, "per_run_micro": CREDIT}
    bare = {"Idempotency-Key": None}
    for method, path, body in (
        ("PUT", "/budgets", budget),
        ("PUT", "/auto-top-up", top_up),
        ("DELETE", f"/keys/{made['id']}", None),
    ):
        first = customer(method, path, body, headers=bare)
        moved = parts.ledger.statement(customer.account)
        again = customer(method, path, body, headers=bare)
        assert (first.status_code, again.json) == (200, first.json)
        assert parts.ledger.statement(customer.account) == moved


def test_call_without_a_key_is_refused(app):
    for path, calls in app.test_client().get("/openapi.json").json["paths"].items():
        for method in calls:
            filled = path.replace("{account}", "1").replace("{hold}", "1").replace("{id}", "1")
            answer = app.test_client().open(filled.replace("{capture}", "1"), method=method.upper())
            assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["", "df_", "Bearer", "Bearer df_", "Basic x:y", "Bearer \xe4"])
def test_bad_key_is_refused(app, given):
    answer = app.test_client().get("/api/v1/balance", headers={"Authorization": given})
    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


BODY = {"amount_micro": 5, "expires_at": "2026-03-14T12:05:00Z"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "amount_micro"),
        (BODY | {"amount_micro": -1}, "amount_micro"),
        (BODY | {"amount_micro": 0}, "amount_micro"),
        (BODY | {"amount_micro": 10**30}, "amount_micro"),
        (BODY | {"amount_micro": 1.5}, "amount_micro"),
        (BODY | {"amount_micro": 5.0}, "amount_micro"),
        (BODY | {"amount_micro": "5"}, "amount_micro"),
        (BODY | {"amount_micro": True}, "amount_micro"),
        (BODY | {"amount_micro": None}, "amount_micro"),
        (BODY | {"amount_micro": [5]}, "amount_micro"),
        (BODY | {"expires_at": 1773490000}, "expires_at"),
        (BODY | {"expires_at": "2026-03-14T12:05:00"}, "expires_at"),
        (BODY | {"expires_at": "tomorrow"}, "expires_at"),
        (BODY | {"expires_at": "2026-03-14T11:59:59Z"}, "expires_at"),
        (BODY | {"expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        (BODY | {"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        (BODY | {"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        (BODY | {"run": ""}, "run"),
        (BODY | {"run": "x" * 201}, "run"),
        (BODY | {"run": "a\nb"}, "run"),
        (BODY | {"run": "a\0b"}, "run"),
        (BODY | {"run": "\ud800"}, "run"),
        (BODY | {"amount": 5}, "amount"),
        (BODY | {"price": 0}, "price"),
        ([BODY], "object"),
        ("text", "object"),
        (5, "object"),
        (None, "JSON"),
    ],
    ids=str,
)
def test_wrong_body_is_refused_with_a_sentence(meter, customer, body, said):
    answer = meter("POST", meter.holds(customer.account), body)
    assert answer.status_code in (415, 422)
    assert said in answer.json["detail"]
    assert customer("GET", "/balance").json["held_micro"] == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"\xff\xfe",
        b'{"amount_micro": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=["nothing", "cut", "quotes", "no UTF-8", "endless number", "deep list", "deep object"],
)
def test_malformed_json_is_refused(meter, customer, data):
    headers = {"Content-Type": "application/json"}
    answer = meter("POST", meter.holds(customer.account), headers=headers, data=data)
    assert answer.status_code in (400, 422)
    assert answer.json["code"] in ("malformed", "invalid")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1"])
def test_absurd_time_is_refused(customer, rate, number):
    data = b'{"gpu_class": "h100", "seconds": ' + number + b"}"
    headers = {"Content-Type": "application/json"}
    assert customer("POST", "/quote", headers=headers, data=data).status_code == 422


def test_huge_body_is_refused_unread(meter, customer, app):
    data = b'{"run": "' + b"x" * (1 << 21) + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = meter("POST", meter.holds(customer.account), headers=headers, data=data)
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert app.test_client().post("/webhooks/stripe", data=data).status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_kinds_of_body_are_refused(meter, customer, kind):
    headers = {"Content-Type": kind}
    answer = meter("POST", meter.holds(customer.account), headers=headers, data=b"amount_micro=5")
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "before=0", "before=99999999999999999999", "z=1"]
)
def test_wrong_parameter_is_refused(customer, query):
    assert customer("GET", f"/statement?{query}").status_code == 422


def test_unknown_account_is_not_found(meter, admin):
    assert meter("POST", meter.holds(987654321), BODY).status_code == 404
    labelled = BODY | {"run": "r", "workflow": "w"}
    assert meter("POST", meter.holds(987654321), labelled).status_code == 404
    assert admin("GET", "/customers/987654321/balance").status_code == 404
    assert admin("GET", "/customers/-1/balance").status_code == 404
    assert admin("GET", f"/customers/{10**30}/balance").status_code in (404, 422)


def test_key_for_repeating_is_required(meter, customer):
    for key in ("", "x" * 101, "a\tb", "a b", "\xe4"):
        headers = {"Idempotency-Key": key}
        answer = meter("POST", meter.holds(customer.account), BODY, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key")


def test_too_many_calls_are_refused_with_a_time(make_app, settings, caller):
    limited = make_app(settings._replace(rate_limit="3 per minute"))
    secret = caller().secret
    other = caller().secret

    def status(secret):
        headers = {"Authorization": f"Bearer {secret}"}
        return limited.test_client().get("/api/v1/rates", headers=headers)

    assert [status(secret).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = status(secret)
    assert (refused.mimetype, refused.json["code"]) == ("application/problem+json", "limit")
    assert 1 <= int(refused.headers["Retry-After"]) <= 61  # a part of a second is rounded up
    assert status(other).status_code == 200  # each key has its own
    assert limited.test_client().get("/healthz").status_code == 200


def test_guessing_keys_is_limited_by_address(make_app, settings):
    limited = make_app(settings._replace(rate_limit="3 per minute")).test_client()

    def status(number):
        headers = {"Authorization": f"Bearer df_{number}"}
        return limited.get("/api/v1/rates", headers=headers).status_code

    assert [status(number) for number in range(5)] == [401, 401, 401, 429, 429]
