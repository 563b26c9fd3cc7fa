"""What a form of ours sends: short fields, each once."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import Request

MOST = 64 * 1024  # bytes; no form of ours without files is longer


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of an urlencoded form; of anything else, none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind != "application/x-www-form-urlencoded" or len(body) > MOST:
        return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return {}
