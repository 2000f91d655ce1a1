"""Which addresses may be connected to, looked at after the name was resolved.

Link-local addresses and the metadata services of the clouds are refused whatever name leads
there. Both transports connect to the very address that was checked, so a name that resolves to
something else a moment later gains nothing (DNS rebinding).
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from progrock.backends.errors import Refused

NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address within
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)


def check_address(text: str, host: str) -> None:
    """Raise Refused when an IP address must not be connected to; `host` is told to the person."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if address in NAT64:
        mapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    for each in (address, mapped):
        if each is not None and (
            each.is_link_local or each.is_multicast or each.is_unspecified or each in METADATA
        ):
            where = host if host == text else f"{host} ({text})"
            raise Refused(f"The address of {where} may not be connected to.")


def check_literal(host: str) -> None:
    """Raise Refused when a host is written as an IP address that must not be connected to."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return  # a name: checked when it is resolved
    check_address(host, host)


def resolve(host: str, port: int) -> str:
    """Return an address of a host, checked. Raises Refused, or OSError when it has none."""
    return check_found(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), host)[0]


def check_found(found: Iterable[tuple[Any, ...]], host: str) -> list[str]:
    """Return the addresses that `getaddrinfo` found, in the order to try them. Raises Refused."""
    # IPv4 first: a service on "localhost" seldom listens on ::1 alone
    ordered = sorted(found, key=lambda each: each[0] != socket.AF_INET)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in ordered))
    for address in addresses:
        check_address(address, host)
    return addresses
