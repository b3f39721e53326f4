"""Ways in and out for people, and what must not open them."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

PASSWORD = "correct horse battery"
CREDIT = 1_000_000


def link_in(mail):
    (line,) = [line for line in mail.splitlines() if "/sign-in/link" in line]
    return line.removeprefix("http://shop.example")


def test_person_signs_in_and_out_by_password(visitor, person):
    someone, visit = person(), visitor()
    assert visit.get("/").status_code == 303
    entered = visit.sign_in(someone.email.upper(), PASSWORD)
    assert (entered.status_code, entered.location) == (303, "/")
    assert visit.get("/").status_code == 200
    session = visit.cookie
    assert visit.post("/sign-out", token=visit.token("/password")).status_code == 303
    assert visit.get("/").status_code == 303
    visit.client.set_cookie("dressform", session)
    assert visit.get("/").status_code == 303  # the session is over, not only forgotten


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + "x", "x" * 100_000])
def test_wrong_password_is_refused(visitor, person, password):
    visit = visitor()
    assert visit.sign_in(person().email, password).status_code == 401
    assert visit.get("/").status_code == 303


def test_session_ends_after_two_weeks(visitor, person, clock):
    visit = visitor()
    visit.sign_in(person().email, PASSWORD)
    clock.advance(days=14)
    assert visit.get("/").status_code == 303


def test_somebody_new_signs_up_by_a_link(visitor, mails, parts):
    visit, email = visitor(), f"{uuid4().hex}@shop.example"
    said = visit.post("/sign-in/mail", {"email": email.upper(), "next": "/keys"})
    assert said.status_code == 200
    ((to, text),) = mails()
    assert to == email
    page = visit.get(link_in(text))  # a program that looks into mails does this, too
    assert parts.identity.everybody(email) == []
    token = parse_qs(urlsplit(link_in(text)).query)["token"][0]
    assert token in page.text
    entered = visit.post("/sign-in/link", {"token": token, "next": "/keys"})
    assert (entered.status_code, entered.location) == (303, "/keys")
    assert visit.get("/").status_code == 200
    (someone,) = parts.identity.everybody(email)
    assert parts.ledger.balance(someone.account)[:4] == (0, 0, 0, 0)
    again = visitor()
    assert again.post("/sign-in/link", {"token": token}).status_code == 410
    assert again.get("/").status_code == 303


def test_link_is_too_old_after_half_an_hour(visitor, mails, clock):
    visit = visitor()
    visit.post("/sign-in/mail", {"email": f"{uuid4().hex}@shop.example"})
    clock.advance(minutes=30)
    token = parse_qs(urlsplit(link_in(mails()[0][1])).query)["token"][0]
    assert visit.post("/sign-in/link", {"token": token}).status_code == 410


def test_page_does_not_tell_who_is_known(visitor, person):
    def said(email):
        visit = visitor()
        page = visit.post("/sign-in/mail", {"email": email})
        return page.status_code, page.text.replace(visit.token(), "")

    known, unknown = said(person().email), said(f"{uuid4().hex}@shop.example")
    assert known[0] == unknown[0] == 200
    assert "on its way" in known[1]


@pytest.mark.parametrize(
    "email", ["", "x", "@", "a@", "@b", "a b@c.d", "a@b@c", "a@b\r\nBcc: c@d", "a@b,c@d", "x" * 300]
)
def test_what_is_no_address_gets_no_mail(visitor, mails, email):
    assert visitor().post("/sign-in/mail", {"email": email}).status_code == 422
    assert mails() == []


def test_new_password_needs_the_old_one_and_ends_other_sessions(visitor, person):
    someone, visit, elsewhere = person(), visitor(), visitor()
    visit.sign_in(someone.email, PASSWORD)
    elsewhere.sign_in(someone.email, PASSWORD)

    def change(**form):
        return visit.post("/password", form, token=visit.token("/password")).status_code

    assert change(current="wrong", password="another long one") == 401
    assert change(current=PASSWORD, password="short") == 422
    assert change(current=PASSWORD, password="another long one") == 303
    assert visit.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303
    assert visitor().sign_in(someone.email, PASSWORD).status_code == 401
    assert visitor().sign_in(someone.email, "another long one").status_code == 303


def test_forgotten_password_is_set_anew_soon_after_a_link(visitor, person, mails, clock):
    someone, visit = person(), visitor()
    visit.post("/sign-in/mail", {"email": someone.email})
    token = parse_qs(urlsplit(link_in(mails()[-1][1])).query)["token"][0]
    visit.post("/sign-in/link", {"token": token})
    way = visit.client.get_cookie("dressform_way").value
    page = visit.token("/password")
    changed = visit.post("/password", {"password": "a new long one"}, token=page)
    assert changed.status_code == 303
    assert visitor().sign_in(someone.email, "a new long one").status_code == 303
    other, thief = person(), visitor()
    thief.sign_in(other.email, PASSWORD)
    thief.client.set_cookie("dressform_way", way)  # it is of somebody else
    form = {"password": "of the thief"}
    assert thief.post("/password", form, token=thief.token("/password")).status_code == 401
    clock.advance(minutes=30)
    form = {"password": "another long one"}
    assert visit.post("/password", form, token=visit.token("/password")).status_code == 401


def test_guessing_passwords_is_limited(visitor, person):
    someone, visit = person(), visitor()
    token = visit.token()
    codes = [
        visit.post("/sign-in", {"email": someone.email, "password": "x"}, token=token).status_code
        for _ in range(12)
    ]
    assert codes == [*[401] * 10, 429, 429]


def test_guessing_one_password_from_many_addresses_is_limited(
    make_app, settings, visitor, person, mails
):
    visit, someone = visitor(make_app(settings._replace(proxies=1))), person()
    token = visit.token()

    def guess(number, email):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        form = {"email": email, "password": "x"}
        return visit.post("/sign-in", form, token=token, headers=headers).status_code

    codes = [guess(number, someone.email.upper()) for number in range(32)]
    assert codes == [*[401] * 30, 429, 429]
    assert guess(40, person().email) == 401  # others are not locked out
    headers = {"X-Forwarded-For": "198.51.100.50"}
    form = {"email": someone.email}
    assert visit.post("/sign-in/mail", form, token=token, headers=headers).status_code == 200
    assert len(mails()) == 1


def test_attack_26_many_accounts_bring_nothing(visitor, parts, mails):
    """A new account has no credits; and one address makes few of them."""
    visit = visitor()
    token = visit.token()
    codes = [
        visit.post("/sign-in/mail", {"email": f"{uuid4().hex}@farm.example"}, token=token)
        for _ in range(12)
    ]
    assert [one.status_code for one in codes] == [*[200] * 10, 429, 429]
    assert len(mails()) == 10
    for _, text in mails()[:2]:
        token = parse_qs(urlsplit(link_in(text)).query)["token"][0]
        account = parts.identity.redeem(token).account
        assert parts.ledger.balance(account)[:4] == (0, 0, 0, 0)


@pytest.mark.parametrize(("proxies", "codes"), [(0, [401] * 10 + [429] * 2), (1, [401] * 12)])
def test_attack_26_address_is_believed_of_our_proxies_alone(
    make_app, settings, visitor, proxies, codes
):
    visit = visitor(make_app(settings._replace(proxies=proxies)))
    token = visit.token()
    form = {"email": "x@shop.example", "password": "x"}
    seen = [
        visit.post("/sign-in", form, token=token, headers={"X-Forwarded-For": f"198.51.100.{n}"})
        for n in range(12)
    ]
    assert [one.status_code for one in seen] == codes


def test_attack_26_nobody_is_flooded_with_mails(visitor, mails):
    visit, email = visitor(), f"{uuid4().hex}@victim.example"
    token = visit.token()
    codes = [
        visit.post("/sign-in/mail", {"email": email}, token=token).status_code for _ in range(5)
    ]
    assert codes == [200, 200, 200, 429, 429]
    assert len(mails()) == 3


def test_attack_29_form_without_our_token_does_nothing(visitor, person):
    someone, visit, stranger = person(), visitor(), visitor()
    visit.sign_in(someone.email, PASSWORD)
    for token in ("", "x", "\xe9", stranger.token()):
        for path in ("/sign-out", "/password", "/language", "/sign-in", "/sign-in/link"):
            assert visit.post(path, {"language": "zh"}, token=token).status_code == 403, path
    assert visit.get("/").status_code == 200
    plain = visit.client.post("/sign-out", json={"csrf_token": visit.token("/password")})
    assert plain.status_code == 403


def test_attack_29_every_page_that_changes_something_checks_its_form(app, visitor, person):
    visit = visitor()
    visit.sign_in(person(admin=True).email, PASSWORD)
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.methods & {"POST", "PUT", "PATCH", "DELETE"}
        and not rule.rule.startswith(("/api/", "/webhooks/"))
    ]
    assert len(rules) >= 8
    for rule in rules:
        path = app.url_map.bind("shop.example").build(
            rule.endpoint, dict.fromkeys(rule.arguments, 1), method="POST"
        )
        assert visit.client.post(path, data={"csrf_token": "x"}).status_code == 403, rule


def test_attack_29_session_that_was_planted_is_not_the_one_signed_in(visitor, person):
    visit = visitor()
    planted = "planted-by-somebody-else-0123456789"
    visit.client.set_cookie("dressform", planted)
    assert visit.sign_in(person().email, PASSWORD).status_code == 303
    assert visit.cookie != planted
    other = visitor()
    other.client.set_cookie("dressform", planted)
    assert other.get("/").status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "evil.example",
        " //evil.example",
    ],
)
def test_attack_29_sign_in_goes_on_to_pages_of_ours_alone(visitor, person, target):
    form = {"email": person().email, "password": PASSWORD, "next": target}
    answer = visitor().post("/sign-in", form)
    assert (answer.status_code, answer.location) == (303, "/")


def test_attack_29_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor, make_app, settings):
    header = visitor().get("/sign-in").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in header.split(";")}
    encrypted = make_app(settings._replace(public_url="https://shop.example"))
    answer = encrypted.test_client().get("/sign-in")
    assert answer.headers["Set-Cookie"].startswith("__Host-dressform=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_attack_29_links_in_mails_lead_here_whatever_host_was_asked(visitor, mails):
    visit = visitor()
    form = {"email": f"{uuid4().hex}@shop.example"}
    visit.post("/sign-in/mail", form, headers={"Host": "evil.example"})
    assert all("evil" not in text for _, text in mails())


@pytest.fixture
def provider():
    """An identity provider: it signs what `claims` says, with a key of its own."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
    claims = {}

    class Provider(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.answer(
                {"keys": [key.as_dict(private=False)]}
                if self.path == "/keys"
                else {
                    "issuer": claims["iss"],
                    "authorization_endpoint": f"{claims['iss']}/authorize",
                    "token_endpoint": f"{claims['iss']}/token",
                    "jwks_uri": f"{claims['iss']}/keys",
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )

        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            assert form["code"] == ["the-code"]
            assert form["code_verifier"]
            token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)
            self.answer({"access_token": "a", "token_type": "Bearer", "id_token": token})

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(dumps(body).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    claims |= {"iss": f"http://127.0.0.1:{server.server_port}", "aud": "client", "sub": "42"}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield claims
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def organisation(make_app, settings, provider, visitor):
    """A visitor who comes by the identity provider; returns the answer of our page."""
    app = make_app(
        settings._replace(
            oidc_issuer=provider["iss"], oidc_client_id="client", oidc_client_secret="secret"
        )
    )

    def come(state=None, **claims):
        visit = visitor(app)
        sent = visit.post("/sign-in/oidc", {"next": "/keys"})
        asked = parse_qs(urlsplit(sent.location).query)
        assert asked["redirect_uri"] == ["http://shop.example/sign-in/oidc"]
        now = int(time.time())
        given = {"nonce": asked["nonce"][0], "iat": now, "exp": now + 60, "email_verified": True}
        provider.update(given | claims)
        return visit, visit.get(f"/sign-in/oidc?code=the-code&state={state or asked['state'][0]}")

    return come


def test_person_of_an_organisation_signs_in(organisation, parts):
    email = f"{uuid4().hex}@shop.example"
    visit, entered = organisation(email=email, sub=uuid4().hex, name="Ada")
    assert (entered.status_code, entered.location) == (303, "/keys")
    assert visit.get("/").status_code == 200
    assert parts.identity.everybody(email)[0].name == "Ada"


def test_person_of_an_organisation_stays_the_same_under_a_new_address(organisation, parts):
    email, sub = f"{uuid4().hex}@shop.example", uuid4().hex
    organisation(email=email, sub=sub)
    _, entered = organisation(email=f"new-{email}", sub=sub)
    assert entered.status_code == 303
    assert [one.email for one in parts.identity.everybody(email)] == [email]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email_verified": False}, 403),
        ({"email_verified": "true"}, 403),
        ({"email": ""}, 403),
        ({"nonce": "another"}, 401),
        ({"aud": "another"}, 401),
        ({"exp": 1}, 401),
        ({"iss": "http://127.0.0.1:1"}, 401),
        ({"state": "another"}, 401),
    ],
    ids=str,
)
def test_attack_29_unproved_identity_is_refused(organisation, claims, status):
    visit, answer = organisation(**{"email": f"{uuid4().hex}@shop.example"} | claims)
    assert answer.status_code == status
    assert visit.get("/").status_code == 303


def test_missing_page_keeps_the_menu_of_who_is_signed_in(visitor, person):
    someone, visit = person(), visitor()
    assert someone.email not in visit.get("/nothing").text
    visit.sign_in(someone.email, PASSWORD)
    page = visit.get("/nothing")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert someone.email in page.text


def test_page_that_cannot_be_made_is_still_an_answer(visitor, monkeypatch):
    from dressform.billing_server import problems

    monkeypatch.setattr(problems, "render_template", lambda *_: 1 / 0)
    answer = visitor().get("/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/plain")


def test_there_is_no_way_by_a_provider_that_is_not_set_up(visitor):
    assert visitor().post("/sign-in/oidc").status_code == 404
