"""A second opinion on the simulator: localstripe, which others wrote, as a server of its own.

It is run and never imported. It knows customers, cards, payments, refunds and signed webhooks, in
the API of 2017; what it does not know is left out here, on the way.
"""

import importlib.util
import socket
import subprocess
import sys
import threading

import pytest
import requests

CREDIT = 1_000_000
SECRET = "whsec_second"


@pytest.fixture(scope="module")
def stripe_url(need, eventually):
    if importlib.util.find_spec("localstripe") is None:
        need("localstripe", "Run: pip install localstripe")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "localstripe", "--from-scratch", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with socket.socket() as probe:
        eventually(lambda: probe.connect_ex(("127.0.0.1", port)) == 0)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture
def gateway(stripe_url):
    from dressform.billing_server.payments import Gateway

    class Narrow(Gateway):
        def _ask(self, call, *arguments, key=None):
            if call.__qualname__ == "PaymentIntentService.create":
                arguments[0].pop("description")
            answer = super()._ask(call, *arguments, key=key)
            if answer.get("object") == "payment_intent":  # it came with a later version
                answer["amount_received"] = answer["amount"]
            return answer

    return Narrow("sk_test_12345", (SECRET,), base_url=stripe_url, retries=0)


def ask(url, method, path, **data):
    answer = requests.request(
        method, f"{url}/v1/{path}", data=data, auth=("sk_test_12345", ""), timeout=10
    )
    assert answer.ok, answer.text
    return answer.json()


@pytest.fixture
def shop(payments, gateway, account, stripe_url):
    """An account with a saved card that is charged as soon as a top-up is due."""

    def make(card):
        customer = payments._customer(account)
        made = ask(stripe_url, "POST", f"payment_methods/{card}/attach", customer=customer)
        default = {"invoice_settings[default_payment_method]": made["id"]}
        ask(stripe_url, "POST", f"customers/{customer}", **default)
        what = {"threshold_micro": CREDIT, "pack_id": "ten", "monthly_cap_minor": 1_000}
        payments.set_auto_top_up(account, enabled=True, **what)
        payments.due()
        return payments

    return make


@pytest.fixture
def payments(alone, engine, ledger, gateway, settings, clock, monkeypatch):
    from dressform.billing_server.payments import Payments

    payments = Payments(engine, ledger, gateway, settings, clock)
    monkeypatch.setattr(payments, "_reconcile_in_time", lambda: None)  # it lists events by one type
    return payments


def saved(stripe_url, number):
    card = {
        "card[number]": number,
        "card[exp_month]": 12,
        "card[exp_year]": 2030,
        "card[cvc]": "123",
    }
    return ask(stripe_url, "POST", "payment_methods", type="card", **card)["id"]


def test_a_top_up_is_charged_and_a_part_refunded(shop, account, ledger, stripe_url, clean):
    payments = shop(saved(stripe_url, "4242424242424242"))
    (bought,) = payments.purchases(account)
    assert (bought.paid_minor, ledger.balance(account).available) == (1_000, 10 * CREDIT)
    done = payments.refund(account, bought.order, 4 * CREDIT, key="k")
    assert (done.state, done.amount_minor) == ("done", 400)
    assert payments.refund(account, bought.order, 4 * CREDIT, key="k") == done
    payments._finish(payments._order(bought.order))
    assert ledger.balance(account).available == 6 * CREDIT


def test_a_decline_breaks_auto_top_up(shop, account, ledger, stripe_url):
    payments = shop(saved(stripe_url, "4000000000000341"))
    setting = payments.auto_top_up(account)
    assert (setting.enabled, setting.state) == (False, "declined")
    assert ledger.balance(account).available == 0


def test_three_d_secure_asks_for_the_customer(shop, account, stripe_url):
    payments = shop(saved(stripe_url, "4000002760003184"))
    assert payments.auto_top_up(account).state == "authentication_required"


def test_a_card_is_set_up_for_later(payments, account, stripe_url):
    customer = payments._customer(account)
    card = saved(stripe_url, "4242424242424242")
    intent = ask(stripe_url, "POST", "setup_intents", customer=customer)
    address = f"setup_intents/{intent['id']}/confirm"
    assert ask(stripe_url, "POST", address, payment_method=card)["status"] == "succeeded"


def test_its_signed_webhooks_are_taken(
    shop, account, payments, ledger, stripe_url, eventually, clean
):
    from werkzeug.serving import make_server
    from werkzeug.wrappers import Request, Response

    outcomes = []

    def app(environ, start_response):
        request = Request(environ)
        outcomes.append(payments.receive(request.data, request.headers["Stripe-Signature"]))
        return Response()(environ, start_response)

    receiver = make_server("127.0.0.1", 0, app, threaded=True)
    receiver.log = lambda *_: None
    thread = threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hook = {"url": f"http://127.0.0.1:{receiver.server_port}/", "secret": SECRET}
    requests.post(f"{stripe_url}/_config/webhooks/ours", data=hook, timeout=10)
    shop(saved(stripe_url, "4242424242424242"))
    eventually(lambda: "handled" in outcomes)
    receiver.shutdown()
    thread.join()
    receiver.server_close()
    assert set(outcomes) <= {"handled", "ignored"}
    assert ledger.balance(account).available == 10 * CREDIT
