"""What people do with the pages, in a real browser at a real server with the simulator."""

import csv
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # runs_shown.py is a module of no package
import runs_shown

pytestmark = pytest.mark.browser

CREDIT = 1_000_000
PASSWORD = "correct horse battery"
GOOD, DECLINED, SECURE = "4242424242424242", "4000000000000002", "4000002500003155"
SHOTS = Path(__file__).parents[3] / "out" / "browser" / "billing"  # where a person looks at them
STEP_TIMEOUT_MS = 30_000
PAGES = (
    "/",
    "/runs",
    "/usage",
    "/usage?by=key",
    "/statement",
    "/credits",
    "/keys",
    "/hooks",
    "/account",
    "/password",
)
ADMIN_PAGES = ("/admin/customers", "/admin/rates", "/admin/health")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture
def visit(live, chromium):
    """Returns a function: a page of its own, signed in, that must log no error."""
    contexts, errors, requests = [], [], set()

    def start(person=None, **settings):
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **settings}
        context = chromium.new_context(base_url=live.url, **settings)
        contexts.append(context)
        context.set_default_timeout(STEP_TIMEOUT_MS)
        if person is not None:
            token = live.parts.identity.sign_in(person)
            context.add_cookies([{"name": "dressform", "value": token, "url": live.url}])
        page = context.new_page()
        page.errors, page.asked = errors, requests
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: is_ours(said, live.url) and errors.append(said.text))
        page.on("request", lambda request: requests.add(request.url))
        return page

    yield start
    for context in contexts:
        context.close()
    assert errors == []


def is_ours(said, url):
    return said.type == "error" and said.location["url"].startswith(url)


@pytest.fixture
def person(live):
    return live.person(name="Mei Lin")


@pytest.fixture
def page(visit, person):
    return visit(person)


def order(page, pack=0):
    """Chooses a pack and comes to the page where it is paid."""
    page.goto("/credits")
    page.get_by_role("button", name="Pay $").nth(pack).click()
    page.wait_for_url("**/pay/**")


def pay(page, card=GOOD):
    page.check(f"input[value='{card}']")
    page.get_by_role("button", name="Pay").click()


def heading(page, text):
    page.get_by_role("heading", name=text, exact=True).wait_for()


def available(page):
    page.goto("/")
    return page.locator("dt:text-is('Available') + dd").inner_text().split()[0]


def test_somebody_signs_in_and_out(live, visit, person):
    live.parts.identity.set_password(person, PASSWORD)
    page = visit()
    page.goto("/usage?by=key")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Usage")
    assert page.url == f"{live.url}/usage?by=key"
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Sign in")
    page.goto("/")
    heading(page, "Sign in")


def test_credits_are_bought(page):
    assert available(page) == "0.00"
    order(page)
    pay(page)
    heading(page, "Paid")
    assert "10.00 credits available" in page.inner_text("main")
    assert available(page) == "10.00"
    page.goto("/credits")
    row = page.locator("tbody tr")
    assert row.count() == 1
    assert "Paid\t$10.00\t10.00\t10.00\tInvoice Receipt Refund" in row.inner_text()


def test_a_declined_card_buys_nothing_and_another_one_does(page):
    order(page)
    pay(page, DECLINED)
    page.get_by_role("alert").wait_for()
    assert available(page) == "0.00"
    page.go_back()
    pay(page)
    heading(page, "Paid")
    assert available(page) == "10.00"


@pytest.mark.parametrize("answer", ["Complete", "Fail"])
def test_a_bank_asks_back(page, answer):
    order(page)
    pay(page, SECURE)
    page.get_by_role("button", name=f"{answer} authentication").click()
    if answer == "Complete":
        heading(page, "Paid")
    else:
        page.get_by_role("alert").wait_for()
    assert available(page) == ("10.00" if answer == "Complete" else "0.00")


def test_whoever_goes_back_without_paying_is_told(page):
    order(page)
    page.get_by_role("link", name="Go back without paying").click()
    page.wait_for_url("**/credits/**")
    assert "nothing was charged" in page.inner_text("main")
    assert available(page) == "0.00"


def test_a_tab_closed_before_the_return_loses_nothing(page, live, eventually):
    order(page, pack=1)
    page.context.route("**/credits/order**", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        pay(page)
    other = page.context.new_page()
    page.close()
    account = live.parts.identity.everybody(limit=1000)[-1].account
    eventually(lambda: live.ledger.balance(account).available == 52 * CREDIT)
    assert available(other) == "52.00"
    page.errors.clear()  # of the page that was stopped


def test_balance_rises_by_the_webhook_alone(page, live, fault):
    fault({"at": "webhook", "kind": "delay", "s": 600, "times": 9})
    order(page)
    pay(page)
    heading(page, "Waiting for the payment")
    assert "0.00 credits available" in page.inner_text("main")
    page.evaluate("window.stayed = true")
    release(live.simulator.delivery)
    heading(page, "Paid")  # the page looked again by itself
    assert page.evaluate("window.stayed")
    assert "10.00 credits available" in page.inner_text("main")


def release(delivery):
    """Sends what is delayed."""
    with delivery._woken:
        delivery._waiting = [(0.0, *what) for _, *what in delivery._waiting]
        delivery._woken.notify()


@pytest.fixture
def fault(live):
    import requests

    def script(*faults):
        requests.post(f"{live.simulator.url}/_faults", json=faults, timeout=10)

    return script


def test_a_purchase_is_refunded(page, live):
    order(page)
    pay(page)
    heading(page, "Paid")
    page.goto("/credits")
    page.get_by_role("link", name="Refund").click()
    page.get_by_label("Credits to give back").fill("4")
    page.get_by_role("button", name="Give back").click()
    assert page.get_by_role("status").inner_text() == "The refund is on its way."
    assert re.search("Partly refunded\t.*\t6.00", page.locator("tbody tr").inner_text())
    assert available(page) == "6.00"
    (refund,) = live.simulator.world.all("refund")
    assert refund["amount"] == 400


def test_auto_top_up_is_switched_on(page, live):
    page.goto("/credits")
    page.get_by_label("Top up by itself").check()
    page.get_by_label("When fewer credits are left than").fill("2.5")
    page.get_by_label("At most in a month").fill("120")
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text() == "Auto top-up is on."
    assert page.get_by_label("When fewer credits are left than").input_value() == "2.50"


def test_a_key_is_made_limited_rotated_and_revoked(page, live, person):
    page.goto("/keys")
    page.get_by_label("Name").fill("studio server")
    page.get_by_role("button", name="Make key").click()
    secret = page.locator("#secret").inner_text()
    key = live.parts.keys.find(secret)
    assert (key.name, key.scopes) == ("studio server", ("read", "run"))
    page.goto("/keys")
    assert secret not in page.content()
    card = page.get_by_role("article", name="studio server")
    card.get_by_text("Budget", exact=True).click()
    card.get_by_label("In a day").fill("1.5")
    card.get_by_role("button", name="Save budget").click()
    assert page.get_by_role("status").inner_text() == "The budget is saved."
    assert "Today: 0.00 of 1.50" in card.inner_text()
    card.get_by_text("Rotate", exact=True).click()
    card.get_by_role("button", name="Rotate key").click()
    fresh = page.locator("#secret").inner_text()
    assert live.parts.keys.find(fresh).id == key.id
    card.get_by_text("Revoke", exact=True).click()
    card.get_by_role("button", name="Revoke key").click()
    assert page.get_by_role("status").inner_text() == "The key is revoked."
    assert live.parts.keys.find(fresh) is None


def test_a_wrong_number_is_caught_by_the_browser_and_by_the_server(page, live, person):
    page.goto("/keys")
    page.get_by_label("In a day").fill("12,5")
    page.get_by_role("button", name="Save budget").click()
    assert page.get_by_label("In a day").evaluate("element => !element.validity.valid")
    page.evaluate("document.querySelector('form[action=\"/budgets\"]').noValidate = true")
    page.get_by_role("button", name="Save budget").click()
    assert "Nothing was changed." in page.get_by_role("alert").inner_text()
    assert live.parts.usage.limits(person.account, live.parts.clock().date()) == []
    page.errors.clear()  # the browser logs the 422


def fill(live, person, runs):
    """Gives an account a little of everything."""
    account, until = person.account, live.parts.clock() + timedelta(hours=1)
    live.ledger.grant(account, 100 * CREDIT, "goodwill", key="g", reason="=1+1")
    keys = [live.parts.keys.create(account, name, ["run"])[1] for name in ("studio", "night")]
    for number in range(runs):
        key = str(keys[number % 2].id)
        live.run(account, 1_234 * number, workflow=f"look {number % 3}", api_key=key)
    live.run(account, release="the worker was lost")
    live.ledger.hold(account, CREDIT, until, key="open", run="run-open")
    return person


@pytest.fixture
def busy(live, person):
    """Somebody with more runs than fit on a page."""
    return fill(live, person, 60)


def test_usage_is_exported(page, live, busy):
    page.goto("/usage")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    with open(download.value.path(), newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert download.value.suggested_filename == "dressform-usage.csv"
    assert len(rows) == 61
    held = CREDIT
    spent = 100 * CREDIT - live.ledger.balance(busy.account).available - held
    assert round(sum(float(row["price"]) for row in rows) * CREDIT) == spent


def test_older_runs_come_below_without_another_page(page, busy):
    page.goto("/usage")
    rows = page.locator("tbody.rows tr:not(.more)")
    assert rows.count() == 50
    page.evaluate("window.stayed = true")
    page.get_by_role("link", name="Show older").click()
    rows.nth(60).wait_for()
    assert rows.count() == 61
    assert page.evaluate("window.stayed")
    assert page.get_by_role("link", name="Show older").count() == 0
    names = rows.locator("th .small").all_inner_texts()
    assert len(set(names)) == 61


def test_usage_is_plotted(page, busy):
    page.goto("/usage")
    page.locator(".plot canvas").wait_for()
    drawn = page.evaluate("""() => {
      const canvas = document.querySelector('.plot canvas')
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
      return pixels.filter((value, at) => at % 4 === 3 && value > 200).length
    }""")
    assert drawn > 1_000


def test_pages_work_without_a_script(visit, busy):
    page = visit(busy, java_script_enabled=False)
    page.goto("/usage")
    assert page.locator(".plot").is_hidden()
    assert page.locator("#usage tbody tr").count() >= 1
    page.get_by_role("link", name="Show older").click()
    assert page.locator("tbody.rows tr").count() == 11
    order(page)
    pay(page)
    page.wait_for_url("**/credits/order**")
    page.get_by_role("button", name="中文").click()
    assert page.locator("html").get_attribute("lang") == "zh"


def test_a_keyboard_suffices(page, busy):
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate("""() => {
          const element = document.activeElement
          const name = element === document.body ? '' : element.textContent.trim()
          return [name, getComputedStyle(element).outlineStyle]
        }""")
        if not name or name == "Skip to the content":
            break
        assert outline != "none", name
        seen.append(name)
    assert seen[:3] == ["Dressform", "Overview", "Runs"]
    assert {"Keys & budgets", "Sign out", "Buy credits", "All runs"} <= set(seen)


def test_a_run_is_cancelled_by_keyboard_and_the_page_follows(page, live, person):
    from dressform.billing_server.runs.endings import close, end

    runs = runs_shown.make(live, person.account)
    page.goto("/runs")
    cancel = page.get_by_role("row").filter(has_text="Running").get_by_role("button")
    assert cancel.inner_text().startswith("Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="ends at its next step").wait_for()
    page.locator("#run .tag:text-is('Being cancelled')").wait_for()
    account, hosting = person.account, live.parts.hosting
    run = hosting.runs.get(account, runs["running"])
    with live.parts.engine.begin() as connection:  # as the worker's last word would
        close(hosting.runs, connection, run, "complete")
        end(hosting.runs, connection, run, "canceled", None)
    page.locator("#run .tag:text-is('Cancelled')").wait_for()  # without a reload


def test_pages_ask_no_other_server(page, live, busy):
    for path in PAGES:
        page.goto(path)
    assert len(page.asked) > len(PAGES)
    assert {url for url in page.asked if not url.startswith(live.url)} == set()


def test_attack_29_names_run_no_script_in_a_browser(visit, live):
    payloads = (
        "<img src=x onerror=document.title='pwned'>",
        "<script>document.title='pwned'</script>",
        '"><svg/onload=document.title="pwned">',
    )
    person = live.person(name=payloads[0], admin=True)
    live.ledger.grant(person.account, 9 * CREDIT, "goodwill", key="g", reason=payloads[1])
    keys = [live.parts.keys.create(person.account, name, ["run"])[1] for name in payloads]
    for number in range(52):
        name, key = payloads[number % 3], keys[number % 3]
        live.run(person.account, workflow=name, run=f"{name}{number}", api_key=str(key.id))
    page = visit(person)
    page.on("dialog", lambda dialog: page.errors.append(dialog.message))
    for path in (*PAGES, *ADMIN_PAGES, f"/admin/customers/{person.account}"):
        page.goto(path)
        if page.get_by_role("link", name="Show older").count():
            page.get_by_role("link", name="Show older").click()
            page.locator("tbody.rows tr:not(.more)").nth(50).wait_for()
        assert "pwned" not in page.title(), path
        assert page.locator("img, tbody svg[onload]").count() == 0


@pytest.fixture
def everything(visit, live, person):
    """Returns a function: a page of somebody who sees all, and the paths there are."""
    fill(live, person, 8)
    live.parts.identity._do("UPDATE identity.person SET admin = true WHERE id = :id", id=person.id)
    open_ = live.parts.payments.checkout(person.account, "ten", key="k", return_url="http://x")
    webhooks = live.parts.hosting.webhooks
    webhooks.create(person.account, "http://127.0.0.1:9/shop/runs?by=dressform", ["run.failed"])
    runs = runs_shown.make(live, person.account)
    shown = [f"/runs/{runs[state]}?of={state}" for state in ("succeeded", "failed", "running")]
    more = (
        *shown,
        f"/credits/order?order={open_.order}",
        f"/admin/customers/{person.account}",
        "/nowhere",
    )
    return lambda **settings: (visit(person, **settings), (*PAGES, *ADMIN_PAGES, *more))


LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "chinese": {"locale": "zh-CN"},
    "chinese-phone-dark": {"locale": "zh-CN", "color_scheme": "dark", **PHONE},
}


@pytest.fixture
def faults():
    """Returns a function: the serious faults of access that axe finds in a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def find(page):
        found = axe.run(page).response["violations"]
        found = [one for one in found if one["impact"] in ("serious", "critical")]
        return [(page.url, one["id"], [n["html"][:150] for n in one["nodes"][:3]]) for one in found]

    return find


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_has_a_serious_fault_of_access_or_overflows(everything, visit, faults, look):
    page, paths = everything(**LOOKS[look])
    SHOTS.mkdir(parents=True, exist_ok=True)
    guest = visit(**LOOKS[look])
    found = []
    for one, path in [*((page, path) for path in paths), (guest, "/sign-in"), (guest, "/sign-up")]:
        one.goto(path)
        for summary in one.locator("article summary").all():
            summary.click()
        name = (
            re.sub(r"\W+", "-", re.sub(r"\?order.*|/\d+$|/[0-9a-f-]{36}", "", path)).strip("-")
            or "overview"
        )
        one.screenshot(path=SHOTS / f"{look}-{name}.png", full_page=True)
        found += faults(one)
        width = one.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [(path, "overflow", width)] if width > 0 else []
    assert found == []
    page.errors[:] = [one for one in page.errors if "404" not in one]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_what_follows_a_form_has_no_serious_fault_of_access(visit, person, faults, look):
    page = visit(person, **LOOKS[look])
    order(page)
    pay(page)
    heading(page, "Paid")
    found = faults(page)
    page.goto("/credits")
    found += faults(page)
    page.get_by_role("link", name="Refund").click()
    found += faults(page)
    page.goto("/keys")
    page.get_by_label("Name").fill("studio")
    page.get_by_role("button", name="Make key").click()
    found += faults(page)
    page.evaluate("document.querySelector('form[action=\"/budgets\"]').noValidate = true")
    page.get_by_label("In a day").first.fill("x")
    page.get_by_role("button", name="Save budget").first.click()
    page.get_by_role("alert").wait_for()
    assert found + faults(page) == []
    page.errors.clear()  # the browser logs the 422
