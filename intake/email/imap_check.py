"""What `relaydesk check` says of the mailboxes that are fetched from: it logs in and looks, and changes nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from core.config import Config, Imap
from core.failures import TemporaryFailure
from core.shapes import Finding
from intake.email import imap_rules as rules
from intake.email.imap_link import Link
from intake.email.imap_rules import Step
from intake.email.imap_session import Mailbox
from intake.email.oauth import TokenSource

_PATIENCE: Final = timedelta(seconds=60)  # for one account


async def probe_imap(config: Config) -> list[Finding]:
    """Return one line an account, all asked at once."""
    boxes = config.email.imap
    names = rules.shown_names(boxes)
    return list(await asyncio.gather(*map(_probe, [config] * len(boxes), boxes, names)))


async def _probe(config: Config, box: Imap, name: str) -> Finding:
    where = f"{box.username} at {box.host}:{box.port}"
    link = Link(box, config.email.inbound.max_message_bytes)
    step = Step.CONNECT
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            token = None
            if box.oauth2_token_url:
                step = Step.TOKEN
                token = await TokenSource(box, config.service.data_dir).token()
            mailbox = await link.open(token)
            folder = box.after.removeprefix("move:") if box.after.startswith("move:") else None
            there = folder is None or await link.has_folder(folder)
    except Exception as exc:
        at = step if step is Step.TOKEN and isinstance(exc, TemporaryFailure) else link.step
        return Finding(part=name, text=where, problem=rules.trouble_of(at, exc, box).reason)
    finally:
        await link.close()
    problem = None
    if not there:
        problem = f"there is no folder '{folder}' to move mails to; make it, or change email.imap.after"
    return Finding(part=name, text=f"{told(mailbox, box)}; {where}, {box.mailbox}", problem=problem)


def told(mailbox: Mailbox, box: Imap) -> str:
    """Say what the server offers, and what is done where it doesn't. Pure."""
    offers = mailbox.offers
    seconds = f"{box.poll.total_seconds():g} s"
    words = ["IDLE" if offers.idle else f"no IDLE (looked through every {seconds})"]
    words.append("MOVE" if offers.move else "no MOVE (mails are copied and deleted)")
    words.append("UIDPLUS" if offers.uidplus else "no UIDPLUS (expunged only where nobody else deletes)")
    return ", ".join(words)
