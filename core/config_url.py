"""What `service.base_url` may be: all links of ours begin with it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def check_base_url(url: str) -> None:
    """Raise `ValueError` where links that begin with this lead nowhere: the pages are at the root of a host, over http
    or https. A slash at the end does no harm; "" is no site. Pure."""
    if not url:
        return
    if "@" in url:  # before anything shows it
        raise ValueError("base_url: no user name or password belongs into it, it is shown to everybody")
    if odd := next((c for c in url if c in "\\?#" or c.isspace() or ord(c) < 32 or ord(c) == 127), ""):
        raise ValueError(f"base_url {url!r}: it may have no {odd!r}; write https://desk.example.com alone")
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(
            f"base_url '{url}': write http:// or https:// and a host, as https://desk.example.com"
        )
    if parts.path.strip("/"):
        raise ValueError(
            f"base_url '{url}': nothing may follow the host, the pages are at its root; "
            f"write {parts.scheme}://{parts.netloc} and give relaydesk a host name of its own"
        )


def only_here(host: str) -> bool:
    """Does a host's name or address mean this machine, wherever it is asked ("0.0.0.0" and "::" too)? Pure."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".localdomain"))
    return address.is_loopback or address.is_unspecified
