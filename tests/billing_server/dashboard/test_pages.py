"""What the pages show and do, read without a browser."""

import csv
import re
from datetime import timedelta
from decimal import Decimal

import pytest

CREDIT = 1_000_000
PAGES = ("/", "/runs", "/usage", "/statement", "/credits", "/keys", "/hooks", "/account")
ADMIN_PAGES = ("/admin/customers", "/admin/rates", "/admin/health")


@pytest.fixture
def visitor(site):
    return site.visit(site.person(name="Mei"))


@pytest.fixture
def account(visitor):
    return visitor.person.account


def cells(answer):
    return list(csv.DictReader(answer.data.decode("utf-8-sig").splitlines()))


def total(rows, column):
    return sum(Decimal(row[column]) for row in rows)


def test_a_newcomer_is_told_what_to_do(visitor):
    text = visitor.text("/")
    assert "No credits yet." in text
    assert "Nothing was spent in the last 7 days." in text
    assert "Make an API key to start one" in text


def test_overview_tells_what_the_balance_is_made_of(site, visitor, account, clock):
    until = clock.after(days=30)
    site.ledger.grant(account, 3 * CREDIT, "promotional", key="p", expires_at=until)
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    later = clock.after(days=1)
    site.ledger.grant(account, 5 * CREDIT, "goodwill", key="g", effective_at=later)
    site.ledger.hold(account, 2 * CREDIT, clock.after(hours=1), key="h", run="<run>")
    text = visitor.text("/")
    assert "Available 11.00 credits and 5.00 that begin later" in text
    assert "Held 2.00 credits" in text
    assert re.search("Promotion .* 3.00 1.00 .*Bought .* No end 10.00 10.00", text)
    assert re.search("Goodwill .* Begins later", text)
    assert "Running now" in text


def test_overview_tells_how_long_the_balance_lasts(site, visitor, account, clock):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    site.run(account, 3_500_000, held=4 * CREDIT)
    clock.advance(days=1)
    text = visitor.text("/")
    assert "Spending 0.5 a day" in text
    assert "Lasts about 13 days" in text


def test_overview_tells_of_a_dispute_and_of_a_debt(site, visitor, account):
    grant = site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    site.run(account, 4_000_000, held=4 * CREDIT)
    dispute = site.ledger.dispute_open(account, grant.seq, 10 * CREDIT, key="d")
    text = visitor.text("/")
    assert "Available 0.00 credits and 6.00 frozen" in text
    assert "A bank has questioned one of your payments." in text
    assert re.search("Bought .* Disputed", text)
    site.ledger.dispute_lost(account, dispute.seq, key="l")
    text = visitor.text("/")
    assert "You owe 4.00 credits" in text
    assert re.search("Bought .* Owed .* -4.00", text)
    assert "Dispute lost" in visitor.text("/statement")


def test_too_many_orders_are_refused_with_a_sentence(site, visitor, words):
    answers = [visitor.post("/credits/buy", pack="ten", key=f"k{n}") for n in range(30)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert "Too many attempts. Wait a while." in words(answers[-1])


def test_a_price_comes_with_its_reasons(site, visitor, account):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    secret, key = site.parts.keys.create(account, "studio", ["run"])
    site.run(account, 3_512, workflow="flat lay", api_key=str(key.id))
    site.run(account, 1)
    site.run(account, 900_000, held=CREDIT // 10)
    site.run(account, release="the worker was lost")
    back = site.run(account, 2_000)
    site.ledger.reverse(account, back.seq, key="back", amount=500)
    text = visitor.text("/usage")
    assert "3.6 s on test-gpu at 0.001 credits a second (rate 1). Ran 3.512 s; rounded up." in text
    assert re.search("flat lay run-.* studio", text)
    assert "By that rate it is 0.90; no more is charged than was held. 0.1000" in text
    assert re.search("Not charged: .* 1.00 held for it came back. “the worker was lost” 0.00", text)
    assert "0.0005 were given back. 0.0015" in text
    assert secret not in text


def test_a_price_at_the_minimum_says_so(site, visitor, account):
    site.ledger.grant(account, CREDIT, "paid", key="o")
    dear = site.ledger.card.add("tiny", 1, minimum_micro=70, valid_from=site.parts.clock())
    site.run(account, 1_000, rate=dear)
    assert "The least that a run costs is 0.00007." in visitor.text("/")


@pytest.mark.parametrize("by", ["day", "key", "workflow", "gpu", "nonsense"])
def test_usage_adds_up_however_it_is_grouped(site, visitor, account, by):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    for number in range(5):
        site.run(account, 1_000 * number + 1, workflow=f"w{number % 2}", api_key=str(number))
    given = site.run(account, 50_000)
    site.ledger.reverse(account, given.seq, key="back")
    text = visitor.text(f"/usage?by={by}")
    spent = 10 * CREDIT - site.ledger.balance(account).available
    written = f"{Decimal(spent) / CREDIT:.4f}"
    assert f"Spent {written} credits Runs 6" in text
    assert re.search(f"Total 6 .* {written}", text)


def test_usage_of_a_period_has_its_first_and_last_day(site, visitor, account, clock):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    for run in ("before", "first", "last", "after"):
        site.run(account, run=run)
        clock.advance(days=1)
    first = (clock.now - timedelta(days=3)).date()
    period = f"since={first}&until={first + timedelta(days=1)}"
    runs = [row["run"] for row in cells(visitor.get(f"/usage.csv?{period}"))]
    assert runs == ["last", "first"]


@pytest.mark.parametrize(
    "period",
    [
        "since=x&until=y",
        "since=2026-02-30&until=2026-03-01",
        "since=2026-03-10&until=2026-03-01",
        "since=0001-01-01&until=9999-12-31",
        "since=9999-12-31&until=9999-12-31",
        "until=2026-03-01",
        "before=-5",
        "before=99999999999999999999",
        "before=x",
    ],
)
def test_absurd_periods_are_answered(visitor, period):
    for page in ("/usage", "/usage.csv", "/statement"):
        assert visitor.get(f"{page}?{period}").status_code in (200, 400, 422)


def test_usage_file_adds_up_to_what_was_spent(site, visitor, account):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    for number in range(4):
        site.run(account, 12_345 * number)
    given = site.run(account, 777)
    site.ledger.reverse(account, given.seq, key="back", amount=300)
    site.run(account, release="lost")
    answer = visitor.get("/usage.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = cells(answer)
    assert len(rows) == 6
    spent = 10 * CREDIT - site.ledger.balance(account).available
    assert total(rows, "price") * CREDIT == spent
    assert total(rows, "charged") - total(rows, "given_back") == total(rows, "price")


def test_pages_of_the_statement_lose_and_double_nothing(site, visitor, account):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    for _ in range(60):
        site.run(account, 100)
    seen, path = [], "/statement"
    while path:
        answer = visitor.get(path)
        seen += [int(one) for one in re.findall(r"#(\d+)</span>\s*<div", answer.text)]
        older = re.search(r'href="(/statement\?before=\d+)"', answer.text)
        path = older and older[1]
    assert seen == list(range(121, 0, -1))


def test_statement_file_adds_up_to_the_balance(site, visitor, account):
    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    site.run(account)
    site.ledger.hold(account, CREDIT, site.parts.clock() + timedelta(hours=1), key="open")
    rows = cells(visitor.get("/statement.csv"))
    sums = {
        book: total([r for r in rows if r["book"] == book], "credits")
        for book in ("available", "held")
    }
    balance = site.ledger.balance(account)
    assert sums == {"available": Decimal(balance.available) / CREDIT, "held": 1}
    assert total(rows, "credits") == 0


def test_a_key_is_shown_once_and_works(site, visitor):
    answer = visitor.post("/keys", name="studio", scopes=["read", "run"])
    secret = re.search(r"df_[\w-]{43}", answer.text)[0]
    assert site.parts.keys.find(secret).scopes == ("read", "run")
    assert secret not in visitor.get("/keys").text
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_rotating_and_revoking_a_key(site, visitor, account, clock):
    secret, key = site.parts.keys.create(account, "studio", ["run"])
    answer = visitor.post(f"/keys/{key.id}/rotate")
    fresh = re.search(r"df_[\w-]{43}", answer.text)[0]
    assert fresh != secret
    assert site.parts.keys.find(fresh) is not None
    clock.advance(days=2)
    assert site.parts.keys.find(secret) is None
    assert visitor.post(f"/keys/{key.id}/revoke").status_code == 303
    assert site.parts.keys.find(fresh) is None
    assert "Revoked" in visitor.text("/keys")


def test_a_customer_cannot_make_a_key_for_the_operator(site, visitor, account, words):
    answer = visitor.post("/keys", name="x", scopes=["admin"])
    assert answer.status_code == 422
    assert "scopes of read, run, buy, manage are required" in words(answer)
    assert site.parts.keys.list(account) == []


def test_a_budget_is_set_shown_and_lifted(site, visitor, account, clock):
    from dressform.billing_server.ledger import BudgetExceededError

    site.ledger.grant(account, 10 * CREDIT, "paid", key="o")
    _, key = site.parts.keys.create(account, "studio", ["run"])
    name = str(key.id)
    assert visitor.post("/budgets", api_key=name, per_day="1.5").status_code == 303
    site.run(account, held=CREDIT, api_key=name, ms=1_000_000)
    assert re.search("studio .*Today: 1.00 of 1.50", visitor.text("/keys"))
    with pytest.raises(BudgetExceededError):
        site.run(account, held=CREDIT, api_key=name)
    assert visitor.post("/budgets", api_key=name).status_code == 303
    site.run(account, held=CREDIT, api_key=name)


def test_a_refused_form_is_shown_again_with_a_sentence(visitor, words):
    answer = visitor.post("/budgets", api_key="", per_day="lots")
    assert answer.status_code == 422
    said = words(answer)
    assert "That cannot be right. Nothing was changed." in said
    assert "an amount with at most six decimals is required, got 'lots'." in said
    assert "Budget of the account" in said


def test_name_and_language_are_kept(site, visitor):
    answer = visitor.post("/account", name="Lin", language="zh")
    assert answer.status_code == 303
    kept = site.parts.identity.find(visitor.person.id)
    assert (kept.name, kept.language) == ("Lin", "zh")
    assert "概览" in visitor.text("/")


def test_language_is_the_persons_then_the_cookies_then_the_browsers(site):
    browser = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
    assert "登录" in site.visit(**browser).text("/sign-in")
    guest = site.visit(**browser)
    assert guest.post("/language", language="en", next="/sign-in").location == "/sign-in"
    assert "Sign in" in guest.text("/sign-in")
    chinese = site.visit(site.person(language="zh"), **{"Accept-Language": "en"})
    assert "概览" in chinese.text("/")
    other = site.visit(site.person(), **{"Accept-Language": "fr"})
    assert "Overview" in other.text("/")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_speaks_both_languages(site, language, account):
    admin = site.visit(site.person(admin=True, language=language))
    mine = admin.person.account
    site.ledger.grant(mine, 10 * CREDIT, "paid", key="o")
    site.run(mine, workflow="w")
    paths = [*PAGES, *ADMIN_PAGES, f"/admin/customers/{account}", "/usage?by=key"]
    for path in paths:
        answer = admin.get(path)
        assert answer.status_code == 200, path
        assert f'<html lang="{language}">' in answer.text
        title = re.search("<title>(.*?) ·", answer.text)[1]
        assert bool(re.search("[\u4e00-\u9fff]", title)) == (language == "zh"), path


def test_order_is_bought_shown_and_paid_by_the_webhook(site, visitor, account, words):
    key = re.search(r'name="key" value="([\w-]+)"', visitor.get("/credits").text)[1]
    answer = visitor.post("/credits/buy", pack="ten", key=key)
    url = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)[1]
    assert url.startswith(site.simulator.url)
    assert visitor.post("/credits/buy", pack="ten", key=key).text.count(url) == 2
    order = re.search(r"order=(or_\w+|[\w-]+)", session(site)["success_url"])[1]
    assert "Waiting for the payment" in visitor.text(f"/credits/order?order={order}")
    pay(site, url)
    assert "Waiting for the payment" in visitor.text(f"/credits/order?order={order}")
    assert site.ledger.balance(account).available == 0
    deliver(site, visitor)
    text = visitor.text(f"/credits/order?order={order}")
    assert "Paid The credits are in your balance. 10.00 credits available" in text
    assert re.search(r"Paid \$10.00 10.00 10.00 Invoice Receipt Refund", visitor.text("/credits"))


def session(site):
    return site.simulator.world.all("checkout.session")[-1]


def pay(site, url):
    import requests

    answer = requests.post(url, {"card": "4242424242424242"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 303


def deliver(site, visitor):
    import json
    import time

    from dressform.billing_server.payments.simulator import delivery

    for event in site.simulator.world.events:
        body = json.dumps(event).encode()
        site.parts.payments.receive(body, delivery.sign(body, "whsec_of_the_test", at=time.time()))


@pytest.fixture
def bought(site, visitor):
    """An order of ten credits."""
    answer = visitor.post("/credits/buy", pack="ten", key="key-1")
    pay(site, re.search(r'url=([^"]+)"', answer.text)[1])
    deliver(site, visitor)
    (purchase,) = site.parts.payments.purchases(visitor.person.account)
    return purchase.order


def test_unspent_credits_are_refunded(site, visitor, account, bought):
    text = visitor.text(f"/credits/{bought}/refund")
    assert "Bought on" in text
    assert "Unspent and free to give back: 10.00 credits, about $10.00." in text
    answer = visitor.post(f"/credits/{bought}/refund", amount="4", key="refund-1")
    assert answer.location.endswith("/credits?done=done.refunded")
    assert site.ledger.balance(account).available == 6 * CREDIT
    assert "The refund is on its way." in visitor.text(answer.location)


def test_a_refund_that_is_sent_twice_is_one(site, visitor, account, bought):
    for _ in range(2):
        visitor.post(f"/credits/{bought}/refund", amount="4", key="refund-1")
    assert site.ledger.balance(account).available == 6 * CREDIT
    assert [one["amount"] for one in site.simulator.world.all("refund")] == [400]


def test_more_than_is_unspent_is_not_refunded(site, visitor, account, bought, words):
    site.run(account, 1_000_000)
    answer = visitor.post(f"/credits/{bought}/refund", amount="9.5", key="refund-1")
    assert answer.status_code in (402, 409)
    assert "Unspent and free to give back: 9.00 credits, about $9.00." in words(answer)
    assert site.ledger.balance(account).available == 9 * CREDIT


def test_an_order_whose_outcome_is_unknown_is_sent_again_with_its_key(site, visitor, words):
    lost = {"at": "POST /v1/checkout/sessions", "kind": "lost_after", "times": 9}
    site.simulator.world.faults[:] = [lost]
    answer = visitor.post("/credits/buy", pack="ten", key="key-1")
    assert answer.status_code == 503
    assert "Send the form again: nothing happens twice." in words(answer)
    assert answer.text.count('value="key-1"') == 1
    site.simulator.world.faults.clear()
    assert "On to Stripe" in words(visitor.post("/credits/buy", pack="ten", key="key-1"))
    assert len(site.simulator.world.all("checkout.session")) == 1


def test_auto_top_up_is_set_and_shown(site, visitor, account, bought):
    form = {"threshold": "2.5", "pack": "fifty", "cap": "120.50"}
    assert visitor.post("/credits/top-up", enabled="yes", **form).status_code == 303
    kept = site.parts.payments.auto_top_up(account)
    assert kept.enabled
    assert (kept.threshold_micro, kept.monthly_cap_minor) == (2_500_000, 12_050)
    assert 'value="120.5"' in visitor.get("/credits").text
    visitor.post("/credits/top-up", **form)
    assert not site.parts.payments.auto_top_up(account).enabled


def test_an_admin_gives_credits_with_a_reason_once(site, account, visitor):
    admin = site.visit(site.person(admin=True))
    form = {"amount": "2.5", "kind": "goodwill", "reason": "a late run", "key": "k"}
    path = f"/admin/customers/{account}"
    assert admin.post(f"{path}/grants", **form).status_code == 303
    assert admin.post(f"{path}/grants", **form).status_code == 303
    assert site.ledger.balance(account).available == 2_500_000
    assert f"a late run (person {admin.person.id})" in visitor.text("/statement")
    assert "Credits came" in admin.text(path)


def test_an_admin_adds_a_rate(site):
    admin = site.visit(site.person(admin=True))
    form = {"gpu_class": f"gpu-{admin.person.id}", "rate": "0.002", "step_ms": "100"}
    assert admin.post("/admin/rates", **form).status_code == 303
    assert f"gpu-{admin.person.id} rate 1 Now" in admin.text("/admin/rates")
    assert admin.post("/admin/rates", **form | {"step_ms": "x"}).status_code == 422


def test_health_tells_of_the_last_check_and_asks_for_another(site):
    from dressform.billing_server import verification

    admin = site.visit(site.person(admin=True))
    site.ledger.grant(admin.person.account, CREDIT, "paid", key="o")
    assert admin.post("/admin/health").status_code == 303
    assert "A check is asked for or under way." in admin.text("/admin/health")
    verification.due(site.parts)
    text = admin.text("/admin/health")
    assert "Every balance and every chain is right. Verified 20" in text
    assert "A check is asked for" not in text


def test_customers_are_found_by_address_and_name(site):
    admin = site.visit(site.person(admin=True))
    found = site.person(name="Ateliér & Söhne")
    text = admin.text("/admin/customers?search=ateliér %26")
    assert found.email in text
    assert admin.person.email not in text.replace(f"{admin.person.email} 中文", "")
