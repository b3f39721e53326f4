"""The billing attacks that reach pages, by their number in the list of attacks."""

import re
from html.parser import HTMLParser

import pytest

CREDIT = 1_000_000
PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7001 * 7 }}",
    "</title><svg/onload=alert(1)>",
)
PAGES = (
    "/",
    "/usage",
    "/usage?by=key",
    "/usage?by=workflow",
    "/statement",
    "/credits",
    "/keys",
    "/hooks",
)
ADMIN_PAGES = ("/admin/customers", "/admin/rates", "/admin/health")


@pytest.fixture
def mine(site):
    return site.visit(site.person())


@pytest.fixture
def theirs(site):
    return site.visit(site.person())


class Dangers(HTMLParser):
    """Collects what a browser would run, load or follow elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("img", "iframe", "object", "embed", "style", "base"):
            self.found.append(tag)
        if tag == "script" and not (
            given.get("src", "").startswith("/static/") and "nonce" in given
        ):
            self.found.append(tag)
        for name, value in attributes:
            follows = name in ("href", "src", "action", "formaction", "hx-get", "content")
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.found.append((tag, name))
            if follows and re.match(r"\s*(javascript|data|https?|//)", value or ""):
                self.found.append((tag, name, value))


def posts(site):
    """Every page that takes a form, with numbers for what its path names."""
    rules = [one for one in site.app.url_map.iter_rules() if "POST" in one.methods]
    here = [one for one in rules if not one.rule.startswith(("/api/", "/webhooks/"))]
    return [re.sub("<[^>]+>", "1", one.rule) for one in here]


def test_attack_19_keys_of_others_are_out_of_reach(site, mine, theirs):
    secret, key = site.parts.keys.create(theirs.person.account, "theirs", ["run"])
    assert mine.post(f"/keys/{key.id}/rotate").status_code == 404
    assert mine.post(f"/keys/{key.id}/revoke").status_code == 404
    assert mine.post("/budgets", api_key=str(key.id), per_day="0").status_code == 404
    assert site.parts.keys.find(secret) is not None
    assert "theirs" not in mine.text("/keys")
    limits = site.parts.usage.limits(theirs.person.account, site.parts.clock().date())
    assert limits == []


def test_attack_19_orders_of_others_are_out_of_reach(site, mine, theirs):
    theirs.post("/credits/buy", pack="ten", key="k")
    url = site.simulator.world.all("checkout.session")[-1]["success_url"]
    path = url.partition("80")[2]
    assert theirs.get(path).status_code == 200
    order = path.partition("order=")[2]
    assert mine.get(path).status_code == 404
    assert mine.get(f"/credits/{order}/refund").status_code == 404
    answer = mine.post(f"/credits/{order}/refund", amount="1", key="r")
    assert answer.status_code == 404


def test_attack_19_pages_of_admins_are_not_there_for_others(site, mine, theirs):
    account = theirs.person.account
    for path in (*ADMIN_PAGES, f"/admin/customers/{account}"):
        assert mine.get(path).status_code == 404
    form = {"amount": "5", "kind": "goodwill", "reason": "x", "key": "k"}
    assert mine.post(f"/admin/customers/{account}/grants", **form).status_code == 404
    assert mine.post("/admin/rates", gpu_class="h100", rate="0").status_code == 404
    assert mine.post("/admin/health").status_code == 404
    assert site.ledger.balance(account).available == 0
    assert "/admin/" not in mine.get("/").text


def test_attack_19_a_file_holds_only_ones_own_runs(site, mine, theirs):
    for one in (mine, theirs):
        site.ledger.grant(one.person.account, CREDIT, "paid", key="o")
        site.run(one.person.account, run=f"run-of-{one.person.id}")
    for file in ("/usage.csv", "/statement.csv"):
        text = mine.get(file).text
        assert f"run-of-{mine.person.id}" in text
        assert f"run-of-{theirs.person.id}" not in text


def test_attack_19_who_is_signed_out_sees_nothing(site):
    guest = site.visit()
    for path in (
        *PAGES,
        *ADMIN_PAGES,
        "/account",
        "/usage.csv",
        "/statement.csv",
        "/credits/1/refund",
    ):
        answer = guest.get(path)
        assert answer.status_code == 303, path
        assert answer.location.startswith("/sign-in?next=")


@pytest.mark.parametrize(
    "amount", ["-1", "0", "1e30", "999999999999", "", "NaN", "1,,", "0.0000001"]
)
def test_attack_24_absurd_amounts_are_refused(site, theirs, amount):
    admin, account = site.visit(site.person(admin=True)), theirs.person.account
    form = {"amount": amount, "kind": "goodwill", "reason": "x", "key": "k"}
    answer = admin.post(f"/admin/customers/{account}/grants", **form)
    assert answer.status_code in (400, 422)
    assert site.ledger.balance(account).available == 0
    if amount not in ("", "0"):  # no limit, and nothing at all, are budgets
        answer = theirs.post("/budgets", api_key="", per_day=amount)
        assert answer.status_code in (400, 422)
    form = {"threshold": amount, "pack": "ten", "cap": amount}
    if amount != "0":
        assert theirs.post("/credits/top-up", **form).status_code in (400, 422)


def test_attack_24_a_price_is_not_taken_from_a_form(site, mine):
    form = {"pack": "ten", "key": "k", "price_minor": "1", "amount": "1", "currency": "jpy"}
    mine.post("/credits/buy", **form)
    session = site.simulator.world.all("checkout.session")[-1]
    assert (session["amount_total"], session["currency"]) == (1000, "usd")
    assert mine.post("/credits/buy", pack="none", key="k2").status_code in (400, 404, 422)


@pytest.mark.parametrize("kind", ["paid", "", "admin"])
def test_attack_24_nobody_grants_paid_credits_by_hand(site, theirs, kind):
    admin, account = site.visit(site.person(admin=True)), theirs.person.account
    form = {"amount": "1", "kind": kind, "reason": "x", "key": "k"}
    assert admin.post(f"/admin/customers/{account}/grants", **form).status_code == 422
    assert site.ledger.balance(account).available == 0


def test_attack_29_no_form_is_taken_without_its_token(site, mine):
    paths = posts(site)
    assert len(paths) > 10
    for path in paths:
        for token in ("", "x", "0" * 64):
            answer = mine.client.post(path, data={"csrf_token": token})
            assert answer.status_code == 403, path


def test_attack_29_a_token_is_good_for_one_visitor_only(site, mine, theirs):
    token = theirs.token()
    assert token != mine.token()
    assert mine.post("/account", csrf_token=token, name="x", language="en").status_code == 403
    assert mine.client.get(f"/account?csrf_token={token}&name=x").status_code == 200
    assert site.parts.identity.find(mine.person.id).name == ""


def test_attack_29_nothing_is_changed_by_a_get(site, mine):
    _, key = site.parts.keys.create(mine.person.account, "k", ["run"])
    for path in (f"/keys/{key.id}/revoke", "/budgets", "/credits/buy", "/language"):
        assert mine.get(path).status_code in (404, 405)
    assert site.parts.keys.list(mine.person.account)[0].revoked_at is None


def test_attack_29_a_planted_session_is_not_the_one_that_is_signed_in(site):
    someone = site.person()
    site.parts.identity.set_password(someone, "correct horse battery")
    guest = site.visit()
    planted = "planted-" + "a" * 40
    guest.client.set_cookie("dressform", planted)
    form = {"email": someone.email, "password": "correct horse battery"}
    assert guest.post("/sign-in", **form).status_code == 303
    cookie = guest.client.get_cookie("dressform")
    assert cookie.value != planted
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    assert site.parts.identity.of_session(planted) is None


ELSEWHERE = (
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/%0d%0aLocation:https://evil.example\r\nX: 1",
    "///evil.example",
    "evil.example",
    "",
)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_attack_29_nobody_is_sent_elsewhere(site, mine, target):
    answer = mine.post("/language", language="zh", next=target)
    assert answer.location in ("/", "/%0d%0aLocation:https://evil.example")
    assert "evil" not in site.visit().get(f"/sign-in?next={target}").headers.get("Location", "")
    assert 'role="status"' not in mine.get(f"/?done={target}").text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_attack_29_names_are_never_markup(site, payload):
    one = site.visit(site.person(name=payload, admin=True))
    account = one.person.account
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o", reason=payload)
    _, key = site.parts.keys.create(account, payload, ["run"])
    site.run(account, workflow=payload, run=payload, api_key=str(key.id))
    site.run(account, run=f"{payload}2", api_key=str(key.id), release=payload)
    site.ledger.card.add(f"{payload}{account}", 1)
    queries = (f"/usage?by={payload}", f"/admin/customers?search={payload}", f"/?done={payload}")
    orders = (f"/credits/order?order={payload}", f"/usage?since={payload}&until={payload}")
    said = f"/admin/customers/{account}", "/account"
    for path in (*PAGES, *ADMIN_PAGES, *queries, *orders, *said):
        text = one.get(path).text
        assert Dangers(text).found == [], path
        assert "49007" not in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_attack_29_refusals_are_never_markup(site, mine, payload):
    forms = (
        ("/budgets", {"api_key": "", "per_day": payload}),
        ("/budgets", {"api_key": payload}),
        ("/keys", {"name": "x", "scopes": payload}),
        ("/credits/buy", {"pack": payload, "key": "k"}),
        ("/credits/x/refund", {"amount": payload}),
        ("/account", {"name": "x", "language": payload}),
    )
    for path, form in forms:
        answer = mine.post(path, **form)
        assert 400 <= answer.status_code < 500, path
        assert Dangers(answer.text).found == [], path


def test_attack_29_pages_run_only_their_own_scripts(site, mine):
    seen = set()
    for path in (*PAGES, "/account", "/nowhere", "/credits/order?order=x"):
        answer = mine.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        nonce = re.search("'nonce-([^']+)'", policy)[1]
        scripts = re.findall("<script[^>]*>", answer.text)
        assert scripts
        assert all(f'nonce="{nonce}"' in one and " src=" in one for one in scripts)
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", answer.text)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "private, no-store"
        seen.add(nonce)
    assert len(seen) == len(PAGES) + 3


def test_attack_29_csv_files_hold_no_formulas(site, mine):
    account = mine.person.account
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o", reason="=2+5")
    _, key = site.parts.keys.create(account, '=HYPERLINK("https://evil.example")', ["run"])
    site.run(account, workflow="=cmd|' /C calc'!A0", run="@SUM(1)", api_key=str(key.id))
    site.run(account, run="-1+1", release="+1")
    import csv

    for file in ("/usage.csv", "/statement.csv"):
        rows = list(csv.reader(mine.get(file).text.splitlines()))
        texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[\d.E-]+", cell)]
        assert any(one.startswith("'") for one in texts)
        assert not [one for one in texts if one.startswith(("=", "+", "-", "@", "|"))]
