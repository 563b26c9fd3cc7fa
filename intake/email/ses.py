"""Amazon SES gives each mail a Message-ID of its own and tells it in its answer; clients then know only that one.

docs.aws.amazon.com/ses/latest/dg/header-fields.html: the field of the sender's is overwritten. The answer to DATA is
`250 Ok 0102018f…-000000`, and the id becomes `<0102018f…-000000@REGION.amazonses.com>`, `@email.amazonses.com` in
us-east-1. Pure.
"""

from __future__ import annotations

import re

_REGION = r"[a-z0-9-]{1,40}"
_ENDPOINT = re.compile(
    rf"(?:[a-z0-9.-]{{1,200}}\.)?email-smtp(?:-fips)?\.({_REGION})\.(?:vpce\.)?amazonaws\.com(?:\.cn)?"
)
_OWN = re.compile(rf"(?:[a-z0-9.-]{{1,200}}\.)?({_REGION})\.amazonses\.com")
_ANSWER = re.compile(r"(?:2\.\d\.\d )?ok:? <?([0-9a-f]{16}-[0-9a-f-]{20,60})>?", re.IGNORECASE)


def aliases(host: str, answer: str) -> tuple[str, ...]:
    """Return the Message-IDs under which answers to a mail may come that the relay `host` took with `answer`."""
    host = host.lower().rstrip(".")
    place = _ENDPOINT.fullmatch(host) or _OWN.fullmatch(host)
    said = _ANSWER.match(answer.strip())
    if place is None or said is None:
        return ()
    names = dict.fromkeys((place[1], "email"))
    return tuple(f"{said[1]}@{name}.amazonses.com" for name in names)
