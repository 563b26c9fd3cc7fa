"""What `service.base_url` may be: all links of ours begin with it."""

from __future__ import annotations

from urllib.parse import urlsplit


def check_base_url(url: str) -> None:
    """Raise `ValueError` where links that begin with this lead nowhere: the pages are at the root of a host, over http
    or https. A slash at the end does no harm. Pure."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(
            f"base_url '{url}': write http:// or https:// and a host, as https://desk.example.com"
        )
    if parts.username is not None:
        raise ValueError("base_url: no user name or password belongs into it, it is shown to everybody")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            f"base_url '{url}': nothing may follow the host, the pages are at its root; "
            f"write {parts.scheme}://{parts.netloc} and give relaydesk a host name of its own"
        )
