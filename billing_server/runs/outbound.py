"""Calls to addresses that customers name: public ones alone, whatever the name says by then."""

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECT_S, ANSWER_S = 5.0, 10.0
TRIED = 4  # of the addresses that a name stands for
PORTS = (443, 8443)
MAX_URL = 500  # characters
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NUMBER = re.compile(r"(?i)(0x[0-9a-f]*|[0-9]+)")  # as the last label it makes a host an address
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundError(Exception):
    """Why a call could not be made, or what came of it; says nothing of what was answered."""


class Target(NamedTuple):
    """An address that may be called."""

    host: str
    port: int
    path: str
    tls: bool


def parse(url: str, *, local: bool = False) -> Target:
    """Reads an address; `local` allows http to this machine, for whoever runs a trial on it.

    Raises:
        OutboundError: It is none that customers may name.
    """
    if len(url) > MAX_URL or not all("!" <= one <= "~" and one != "\\" for one in url):
        raise OutboundError(f"A URL of at most {MAX_URL} visible ASCII characters is required.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise OutboundError("A URL is required, got none that can be read.") from None
    if parts.username is not None or parts.password is not None or "#" in url:
        raise OutboundError("A URL without user, password and fragment is required.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if local and parts.scheme == "http" and host in LOOPBACK:
        return Target(host, port or 80, path, tls=False)
    if parts.scheme != "https" or not host or (port or 443) not in PORTS:
        ports = " or ".join(map(str, PORTS))
        raise OutboundError(f"https:// with the port {ports} is required.")
    # 2130706433, 0177.1 and 0x7f.1 are addresses to some and names to others.
    if NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        with suppress(ValueError):
            ipaddress.IPv4Address(host)
            return Target(host, port or 443, path, tls=True)
        raise OutboundError("An address with four decimal numbers, or a name, is required.")
    return Target(host, port or 443, path, tls=True)


def resolve(target: Target) -> list[str]:
    """Returns where a target is; a single address that is not public spoils all.

    Raises:
        OutboundError: It is nowhere, or inside.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutboundError("The name could not be resolved.") from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for one in addresses:
        address = ipaddress.ip_address(one)
        good = is_public(address) if target.tls else address.is_loopback
        if not good:
            raise OutboundError("An address in the public internet is required.")
    return addresses


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Says whether an address is one of the public internet, also by the IPv4 one within it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id or address.teredo or address in NAT64:
            return False
        if inner := address.ipv4_mapped or address.sixtofour:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def post(target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    """Sends a body and returns the status of the answer, of which no more is read.

    The name is asked for once, and what it named is called. Redirects are not followed.

    Raises:
        OutboundError: There was no answer.
    """
    addresses = resolve(target)
    plain = _connect(addresses, target.port)
    with plain:
        if target.tls:
            secured = _CONTEXT.wrap_socket(
                plain, server_hostname=target.host, do_handshake_on_connect=False
            )
        else:
            secured = plain
        # A timeout is of each byte, this is of all: of a TLS socket the plain one ends.
        end = Timer(ANSWER_S, _cut, [secured])
        end.daemon = True
        end.start()
        try:
            with secured:
                if isinstance(secured, ssl.SSLSocket):
                    secured.do_handshake()
                return _ask(secured, target, body, headers)
        except ssl.SSLError:
            raise OutboundError("The certificate is not right, or TLS failed.") from None
        except (OSError, http.client.HTTPException, ValueError):
            raise OutboundError(f"No answer came within {ANSWER_S:.0f} s.") from None
        finally:
            end.cancel()


def _connect(addresses: list[str], port: int) -> socket.socket:
    for address in addresses[:TRIED]:
        with suppress(OSError):
            made = socket.create_connection((address, port), timeout=CONNECT_S)
            made.settimeout(ANSWER_S)
            return made
    raise OutboundError("No connection was taken.")


def _ask(connected: socket.socket, target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    kind = http.client.HTTPSConnection if target.tls else http.client.HTTPConnection
    connection = kind(target.host, target.port)
    connection.auto_open, connection.sock = 0, connected
    connection.request("POST", target.path, body, dict(headers))
    return connection.getresponse().status


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


_CONTEXT = ssl.create_default_context()
