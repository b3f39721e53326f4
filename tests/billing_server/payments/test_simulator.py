"""The simulator holds the payments to Stripe's rules, and its webhooks go wrong as real ones do."""

import json
import threading

import pytest

HEADERS = {"Authorization": "Bearer sk_test_1", "Stripe-Version": "2026-10-28.endive"}


def call(shop, method, path, headers=(), **given):
    import requests

    data = {"data": given} if method == "POST" else {"params": given}
    url = f"{shop.simulator.url}/v1/{path}"
    return requests.request(method, url, headers=HEADERS | dict(headers), timeout=10, **data)


@pytest.mark.parametrize(
    ("given", "code", "parameter"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"invoice_settings[colour]": "red"}, "parameter_unknown", "invoice_settings[colour]"),
        ({"balance": "much"}, "parameter_invalid", "balance"),
        ({"tax_exempt": "perhaps"}, "parameter_invalid", "tax_exempt"),
        ({"address": "here"}, "parameter_invalid", "address"),
        ({"email[0]": "x"}, "parameter_invalid", "email"),
        ({"cash_balance[settings][reconciliation_mode]": "x"}, "parameter_invalid", None),
    ],
)
def test_what_the_sdk_does_not_know_is_refused(shop, given, code, parameter):
    answer = call(shop, "POST", "customers", **given)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, code)
    assert parameter in (None, error["param"])
    assert shop.things("customer") == []


def test_what_is_required_must_be_there(shop):
    answer = call(shop, "POST", "billing_portal/sessions", return_url="x")
    assert answer.status_code == 400
    assert "needs 'customer'" in answer.text
    error = call(shop, "POST", "payment_intents", currency="usd").json()["error"]
    assert (error["code"], error["param"]) == ("parameter_missing", "amount")


def test_another_version_of_the_api_is_refused(shop):
    answer = call(shop, "POST", "customers", {"Stripe-Version": "2020-08-27"})
    assert answer.status_code == 400


def test_a_key_answers_once_and_for_one_request(shop):
    key = {"Idempotency-Key": "k"}
    first = call(shop, "POST", "customers", key, name="a").json()
    assert call(shop, "POST", "customers", key, name="a").json() == first
    other = call(shop, "POST", "customers", key, name="b")
    assert other.json()["error"]["type"] == "idempotency_error"
    assert len(shop.things("customer")) == 1


def test_no_more_is_refunded_than_was_paid(shop):
    shop.buy()
    payment = shop.things("payment_intent")[0]["id"]
    assert call(shop, "POST", "refunds", payment_intent=payment, amount=600).ok
    error = call(shop, "POST", "refunds", payment_intent=payment, amount=500).json()["error"]
    assert "greater than unrefunded amount on charge (400)" in error["message"]
    assert call(shop, "POST", "refunds", payment_intent=payment).ok
    error = call(shop, "POST", "refunds", payment_intent=payment, amount=1).json()["error"]
    assert error["code"] == "charge_already_refunded"


def test_a_card_of_another_customer_is_not_charged(shop):
    shop.buy()
    card = shop.things("payment_method")[0]["id"]
    stranger = call(shop, "POST", "customers").json()["id"]
    what = {"amount": 100, "currency": "usd", "customer": stranger, "payment_method": card}
    error = call(shop, "POST", "payment_intents", confirm="true", **what).json()["error"]
    assert "does not belong" in error["message"]


def test_every_page_says_that_no_money_moves(shop):
    import requests

    shop.buy()
    portal = shop.payments.portal(shop.account, "https://shop.example")
    invoice = shop.purchase(shop.payments.purchases(shop.account)[0].order).invoice_url
    checkout = shop.order()
    challenge = shop.pay(checkout.url, "4000002500003155").text
    texts = [requests.get(url, timeout=10).text for url in (portal, invoice, checkout.url)]
    assert all("Simulator - no money moves" in text for text in [*texts, challenge])


def test_a_debit_under_way_is_decided_in_the_portal(shop, clean):
    import requests

    order = shop.buy(card="bank")
    url = shop.payments.portal(shop.account, "https://shop.example")
    assert "Debit of 10.00 USD under way" in requests.get(url, timeout=10).text
    payment = shop.things("payment_intent")[0]["id"]
    page = requests.post(url, {"payment": payment, "do": "settle"}, timeout=10)
    assert "under way" not in page.text
    shop.deliver()
    assert shop.state(order) == "paid"


def test_an_address_that_is_wrong_is_not_found(shop):
    import requests

    for path in ("pay/cs_test_x", "portal/x", "invoice/x", "receipt/x", "v1/nothing"):
        answer = requests.get(f"{shop.simulator.url}/{path}", headers=HEADERS, timeout=10)
        assert answer.status_code == 404


def test_a_number_that_is_no_test_card_is_not_kept(shop):
    checkout = shop.order()
    assert "knows only the cards below" in shop.pay(checkout.url, "4111111111111111").text
    assert "4111111111111111" not in json.dumps(shop.simulator.world.things)


def test_its_state_outlives_it(tmp_path, clock):
    from dressform.billing_server.payments import simulator

    file = tmp_path / "simulator.json"
    first = simulator.start(file=file)
    import requests

    made = requests.post(f"{first.url}/v1/customers", headers=HEADERS, timeout=10).json()
    first.stop()
    second = simulator.start(file=file)
    assert second.url == first.url  # links that were given away are still good
    url = f"{second.url}/v1/customers/{made['id']}"
    assert requests.get(url, headers=HEADERS, timeout=10).json() == made
    third = simulator.start(file=file)
    assert third.url != second.url
    third.stop()
    second.stop()


# Webhooks over HTTP


@pytest.fixture
def receiver(payments):
    """A server that takes webhooks; `answers` is what it says to the next ones."""
    from dressform.billing_server.payments.values import SignatureError
    from werkzeug.serving import make_server
    from werkzeug.wrappers import Request, Response

    def app(environ, start_response):
        request = Request(environ)
        status = receiver.answers.pop(0) if receiver.answers else 200
        if status == 200:
            try:
                said = payments.receive(request.data, request.headers["Stripe-Signature"])
                receiver.outcomes.append((json.loads(request.data)["id"], said))
            except SignatureError:
                status = 400
        receiver.statuses.append(status)
        return Response(status=status)(environ, start_response)

    receiver = make_server("127.0.0.1", 0, app, threaded=True)
    receiver.answers, receiver.outcomes, receiver.statuses = [], [], []
    receiver.log = lambda *_: None
    thread = threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture
def delivered(shop, receiver, unwatched):
    from dressform.billing_server.payments.simulator import delivery

    hook = f"http://127.0.0.1:{receiver.server_port}/"
    sending = delivery.Delivery(shop.simulator.world, hook, "whsec_of_the_test")
    shop.sending = sending
    yield shop
    sending.stop()


FAULTS = {
    "none": [],
    "twice": [{"at": "webhook", "kind": "duplicate", "times": 9}],
    "reordered": [{"at": "webhook", "kind": "reorder", "times": 9}],
    "late": [{"at": "webhook", "kind": "delay", "s": 0.3, "times": 2}],
    "the last is lost": [
        {"at": "webhook", "kind": "delay", "times": 2},
        {"at": "webhook", "kind": "lose"},
    ],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_signed_webhooks_bring_the_credits(delivered, receiver, eventually, faults, clean):
    delivered.fault(*faults)
    delivered.pay(delivered.order().url)
    eventually(lambda: delivered.available() == 10_000_000)
    lost = sum(fault["kind"] == "lose" for fault in faults)
    sent = len(delivered.simulator.world.events) - lost
    eventually(lambda: len({id_ for id_, _ in receiver.outcomes}) == sent)
    assert delivered.available() == 10_000_000


def test_what_was_answered_with_an_error_comes_again(delivered, receiver, eventually, clean):
    receiver.answers += [500, 503, 500, 500]
    delivered.pay(delivered.order().url)
    eventually(lambda: delivered.available() == 10_000_000)
    assert receiver.statuses.count(200) >= 1


def test_a_wrong_secret_brings_nothing_and_a_rotated_one_everything(
    delivered, receiver, eventually, clean
):
    delivered.sending.secrets = ["whsec_wrong"]
    delivered.pay(delivered.order().url)
    eventually(lambda: 400 in receiver.statuses)
    assert delivered.available() == 0
    delivered.sending.secrets = ["whsec_wrong", "whsec_of_the_test"]
    eventually(lambda: delivered.available() == 10_000_000)
