"""Attack 30: a customer names an address, and the server must not be led inside by it."""

import socket
import ssl
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server.runs import outbound
from dressform.billing_server.runs.outbound import OutboundError, parse, post, resolve

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_receiver import Receiver, drip, redirect

PUBLIC = "93.184.215.14"


@pytest.fixture
def names(monkeypatch):
    """Answers for names: each question takes the next list of addresses."""
    asked = []

    def say(*answers):
        left = [list(one) for one in answers]

        def getaddrinfo(host, port, **_):
            asked.append(host)
            found = left.pop(0) if len(left) > 1 else left[0]
            family = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in found]
            told = zip(family, found, strict=True)
            return [(kind, socket.SOCK_STREAM, 6, "", (one, port)) for kind, one in told]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return say


@pytest.fixture
def receiver():
    made = []

    def make(*answers):
        made.append(Receiver(*answers))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "//shop.example/",
        "https:///hook",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://@127.0.0.1/",
        "https://shop.example:22/",
        "https://shop.example:6379/",
        "https://shop.example:99999/",
        "https://shop.example/#part",
        "https://shop.example\\@127.0.0.1/",
        "https://shop.example/\r\nX-Evil: 1",
        "https://shop.example/\n",
        "https://127.0.0.1\t/",
        "https://\uff4cocalhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://1.2.3.4.5/",
        "https://[::1/",
        "https://shop.example/" + "x" * 500,
    ],
)
def test_attack_30_addresses_that_are_written_wrong_are_refused(url):
    with pytest.raises(OutboundError):
        parse(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",  # noqa: S104
        "[::]",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[fd00::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[2001:db8::1]",
        "localhost",
    ],
)
def test_attack_30_addresses_that_are_inside_are_refused(host):
    with pytest.raises(OutboundError):
        resolve(parse(f"https://{host}/hook"))


@pytest.mark.parametrize("host", [PUBLIC, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]"])
def test_public_addresses_are_taken(host):
    assert resolve(parse(f"https://{host}:8443/hook?a=b")) == [host.strip("[]")]


def test_attack_30_a_name_of_which_one_address_is_inside_is_refused(names):
    names([PUBLIC, "10.0.0.1"])
    with pytest.raises(OutboundError, match="public"):
        post(parse("https://shop.example/"), b"", {})


def test_attack_30_name_that_changes_after_the_look_changes_nothing(names, monkeypatch):
    asked, connected = names([PUBLIC], ["127.0.0.1"]), []

    def connect(address, timeout):
        connected.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutboundError, match="No connection"):
        post(parse("https://shop.example/"), b"", {})
    assert asked == ["shop.example"]
    assert connected == [(PUBLIC, 443)]


def test_attack_30_redirects_are_not_followed(receiver):
    heard = receiver(redirect)
    assert post(parse(heard.url, local=True), b"{}", {}) == 307
    assert [got[0] for got in heard.got] == ["/told?by=us"]


def test_attack_30_this_machine_only_in_a_trial_on_it(receiver):
    heard = receiver()
    with pytest.raises(OutboundError):
        parse(heard.url)
    assert post(parse(heard.url, local=True), b"{}", {}) == 204
    for wrong in ("http://10.0.0.1/", "http://shop.example/", "https://127.0.0.1:8443/"):
        with pytest.raises(OutboundError):
            resolve(parse(wrong, local=True))


def test_attack_30_local_names_that_lie_are_refused(names, receiver):
    names(["10.0.0.1"])
    with pytest.raises(OutboundError):
        post(parse("http://localhost:8000/", local=True), b"", {})


def test_attack_30_a_shop_tells_nobody_inside(make_app, settings):
    for public, real in (("https://shop.example", None), ("http://127.0.0.1:1", "sk_test_x")):
        told = settings._replace(public_url=public, stripe_secret_key=real)
        app = make_app(told)
        assert app.extensions["services"].hosting.webhooks.local is False
    app = make_app(settings._replace(public_url="http://127.0.0.1:1"))
    assert app.extensions["services"].hosting.webhooks.local is True


def test_attack_30_over_http_it_is_422(caller):
    who = caller()
    for url in ("https://10.0.0.1/", "http://127.0.0.1:8000/", "https://169.254.169.254/latest"):
        body = {"url": url, "events": ["run.succeeded"]}
        assert who("POST", "/api/v2/webhooks", body).status_code == 422


def test_attack_30_time_is_limited_as_a_whole(receiver, monkeypatch):
    monkeypatch.setattr(outbound, "ANSWER_S", 0.5)
    begun = time.monotonic()
    with pytest.raises(OutboundError, match="No answer"):
        post(parse(receiver(drip).url, local=True), b"{}", {})
    assert time.monotonic() - begun < 3.5  # it drips for 4 s


def test_what_is_no_http_is_no_answer(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            taken, _ = server.accept()
            with taken:
                taken.sendall(b"220 mail.example ESMTP\r\n" * 9)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(OutboundError, match="No answer") as caught:
            post(parse(url, local=True), b"{}", {})
        thread.join()
    assert "mail" not in str(caught.value)


@pytest.fixture
def certified(tmp_path):
    """A certificate for shop.example, by nobody else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    kinds = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "one.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *kinds) + pem)
    return tmp_path / "one.pem"


@pytest.mark.parametrize("trusted", [True, False])
def test_certificates_are_of_the_name_that_was_written(
    names, receiver, certified, monkeypatch, trusted
):
    heard = receiver()
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(certified)
    heard.server.socket = secure.wrap_socket(heard.server.socket, server_side=True)
    monkeypatch.setattr(
        outbound, "_CONTEXT", ssl.create_default_context(cafile=certified if trusted else None)
    )

    def connect(_, timeout):  # as if that address were there
        made = socket.socket()
        made.settimeout(timeout)
        made.connect(("127.0.0.1", heard.server.server_port))
        return made

    monkeypatch.setattr(socket, "create_connection", connect)
    names([PUBLIC])
    if trusted:
        assert post(parse("https://shop.example/a"), b"{}", {"webhook-id": "1"}) == 204
        assert heard.got[0][1]["Host"] == "shop.example"
        with pytest.raises(OutboundError, match="certificate"):
            post(parse("https://other.example/"), b"{}", {})
    else:
        with pytest.raises(OutboundError, match="certificate"):
            post(parse("https://shop.example/"), b"{}", {})
