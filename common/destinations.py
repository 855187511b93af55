"""Which addresses may be opened for somebody outside: a pure rule over names, numbers and ports.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 4291, 6052 (NAT64), 3056 (6to4), 4380 (Teredo).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, quote, urlsplit

from common.errors import Invalid

Address = IPv4Address | IPv6Address
LONGEST_URL = 2000

_INNER_4 = [
    ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
_OUTER_6 = ip_network("2000::/3")
# Inside of it: Teredo, ORCHID and other special ones, documentation, 6to4, segment routing.
_INNER_6 = [ip_network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")]
_NAT64 = ip_network("64:ff9b::/96")
# Where clouds tell a machine its secrets. A whole allowed network does not open them; only their own address does.
METADATA = frozenset(
    ip_address(one)
    for one in (
        "169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
    )
)  # fmt: skip
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LAST_IS_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")  # Source: WHATWG URL, "ends in a number checker"
_DOTTED = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})")


@dataclass(frozen=True)
class Rules:
    """What may be opened besides the public network: networks and host names; and the ports of public hosts."""

    allowed: tuple[str, ...] = ()
    ports: tuple[int, ...] = (80, 443)

    @cached_property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The allowed networks. Raises ValueError for one that is neither network nor name."""
        return tuple(ip_network(one) for one in self.allowed if "/" in one or _is_number(one))

    @cached_property
    def names(self) -> frozenset[str]:
        """The allowed host names."""
        return frozenset(one.lower().rstrip(".") for one in self.allowed if "/" not in one and not _is_number(one))

    def mistyped(self) -> list[str]:
        """Give what is neither a network, an address nor a host name, and so would allow nothing."""
        return [one for one in self.allowed if not _is_network(one) and not _NAME.fullmatch(one.lower().rstrip("."))]

    def names_host(self, host: str) -> bool:
        """Whether a host is allowed by its name, whatever it resolves to."""
        return host in self.names

    def lets(self, address: Address) -> bool:
        """Whether an address is in an allowed network."""
        if address in METADATA:
            return any(network.num_addresses == 1 and address in network for network in self.networks)
        return any(address.version == network.version and address in network for network in self.networks)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def split(url: str, *, schemes: Iterable[str] = ("https", "http")) -> SplitResult:
    """Give the parts of an address, its host in lower-case ASCII. Raises Invalid saying what is wrong with it."""
    if len(url) > LONGEST_URL or not url.isprintable() or any(mark in url for mark in ' \\"<>^`{|}'):
        raise _refused("it is too long or holds characters that no address has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("it is malformed") from None
    if parts.scheme not in schemes:
        raise _refused(f"it must begin with {' or '.join(f'{one}://' for one in schemes)}")
    if "@" in parts.netloc:
        raise _refused("it must not hold a name or password")
    if port == 0:
        raise _refused("it has no such port")
    if parts.fragment:
        raise _refused("it must not hold a fragment")
    name = f"[{host}]" if ":" in host else _ascii(host)
    path, query = quote(parts.path, safe="/%:@!$&'()*+,;=~"), quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return parts._replace(netloc=name if port is None else f"{name}:{port}", path=path, query=query)


def host_of(parts: SplitResult) -> str:
    """Give the host of checked parts."""
    return (parts.hostname or "").rstrip(".")


def port_of(parts: SplitResult) -> int:
    """Give the port of checked parts."""
    return parts.port or {"https": 443, "wss": 443}.get(parts.scheme, 80)


def check_port(host: str, port: int, rules: Rules) -> None:
    """Raise Invalid for a port that could not be opened wherever the host leads."""
    if port not in rules.ports and not rules.networks and not rules.names_host(host):
        raise _refused(f"port {port} may not be opened", code="port_refused")


def is_open(host: str, port: int, address: str, rules: Rules) -> bool:
    """Tell whether a host may be reached at an address that its name resolved to."""
    number = _unwrap(ip_address(address.partition("%")[0]))
    if rules.lets(number):
        return True
    if number in METADATA:
        return False
    return rules.names_host(host) or ("%" not in address and port in rules.ports and is_public(number))


def is_public(number: Address) -> bool:
    """Tell whether an address is of the public network, whatever it is wrapped in."""
    number = _unwrap(number)
    if number in METADATA:
        return False
    if isinstance(number, IPv4Address):
        return not any(number in network for network in _INNER_4)
    return number in _OUTER_6 and not any(number in network for network in _INNER_6)


def _unwrap(number: Address) -> Address:
    """Give the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(number, IPv6Address):
        if number.ipv4_mapped is not None:
            return number.ipv4_mapped
        if number in _NAT64:
            return IPv4Address(int(number) & 0xFFFFFFFF)
    return number


def _ascii(host: str) -> str:
    """Give a host name as the resolver gets it. Raises Invalid for other spellings of numbers, such as 0x7f.1."""
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        raise _refused("its host is no name") from None
    bare = name.rstrip(".")
    if not _NAME.fullmatch(bare) or (_LAST_IS_NUMBER.fullmatch(bare) and not _DOTTED.fullmatch(bare)):
        raise _refused("its host is neither a name nor a number in plain form")
    return name


def _is_number(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _refused(why: str, code: str = "address_refused") -> Invalid:
    return Invalid(f"this address cannot be opened: {why}", code=code, fields={"url": why})
