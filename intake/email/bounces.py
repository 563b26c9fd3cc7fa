"""Mail that a mail server wrote about a mail: what failed, for whom, and for good or not. Pure.

A report in form (RFC 3464, RFC 5965) is read by its fields. Servers that write prose are known by a few signs that
must come together, so that a person's mail is never taken for a bounce. `permanent` is said only where an address or
domain doesn't exist: a full mailbox, a filter, a block list aren't the address's end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from intake.email.charsets import clean, decode
from intake.email.headers import Headers, read_head
from intake.email.mailboxes import clean_address
from intake.email.mime import Part
from intake.email.parse import ParsedMail, first_id
from intake.email.words import decode_words

_LOOKED_AT: Final = 20_000  # characters of a report's prose
_MOST_RECIPIENTS: Final = 200
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_SMTP_STATUS = re.compile(r"\b[45]\d\d[ -]+#?([45]\.\d{1,3}\.\d{1,3})\b|\(#([45]\.\d{1,3}\.\d{1,3})\)")
_SMTP_CODE = re.compile(r"(?<![\d.@-])([45][0-5]\d)(?![\d.:@])\b")
_ADDRESS = re.compile(r"<?([A-Za-z0-9._%+=/!#$&'*?^{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}[A-Za-z0-9])>?")


@dataclass(frozen=True, slots=True)
class Bounce:
    """What became of a mail. `action`: failed, delayed, delivered, relayed, expanded, or "feedback" (somebody
    pressed "spam"). `status`: an enhanced status code (RFC 3463) or None. `message_id`: of the returned mail."""

    recipient: str | None
    status: str | None
    action: str | None
    permanent: bool
    message_id: str | None


def read_bounce(mail: ParsedMail, envelope_sender: str | None) -> Bounce | None:
    """Return what the mail reports, None where it's no bounce. `envelope_sender`: None where it isn't known."""
    returned = _returned_id(mail)
    for part in mail.leaves:
        if part.type in ("message/delivery-status", "message/global-delivery-status"):
            return _from_report(mail, part, returned)
        if part.type == "message/feedback-report":
            return _from_feedback(part, returned)
    if (told := _from_json(mail)) is not None:
        return told
    if mail.report_type == "feedback-report" or _complaint(mail):
        return Bounce(None, None, "feedback", False, returned)
    if mail.report_type == "delivery-status" or _prose(mail, envelope_sender):
        return _from_prose(mail, returned)
    return None


# --- reports in form ----------------------------------------------------------------------------------------------


def _from_report(mail: ParsedMail, part: Part, returned: str | None) -> Bounce:
    """Take the failed recipient before the delayed, these before any other (RFC 3464 2.3)."""
    prose = _prose_text(mail)
    groups = [group for group in _groups(part.content()) if "final-recipient" in group or "action" in group]
    if not groups:
        return _from_prose(mail, returned)
    order = {"failed": 0, "delayed": 1}
    group = min(groups, key=lambda g: order.get(_word(g.get("action")), 2))
    action = _word(group.get("action")) or None
    diagnosis = group.text("diagnostic-code")
    status = _status_of(group, diagnosis, prose)
    named = [group.get("original-recipient"), group.get("final-recipient"), group.get("x-actual-recipient")]
    recipient = next((a for a in (clean_address(n.rpartition(";")[2]) for n in named) if a), None)
    category = group.get("x-powermta-bouncecategory")
    said = f"{diagnosis}\n{category}\n{_smtp_stage(prose)}" if diagnosis else prose
    return Bounce(
        recipient=recipient or _recipient_of(mail, prose),
        status=status,
        action=action,
        permanent=(action or "failed") == "failed" and _for_good(status, said or prose),
        message_id=returned,
    )


def _smtp_stage(prose: str) -> str:
    """Which command was refused, where only the prose says so."""
    return " ".join(
        found[0] for found in re.finditer(r"(?i)rcpt to|mail from|after end of data|>>> data", prose)
    )


def _groups(content: bytes) -> Iterator[Headers]:
    at, count = 0, 0
    while at < len(content) and count < _MOST_RECIPIENTS:
        headers, after = read_head(content, at)
        if headers.fields:
            yield headers
        at = max(after, at + 1) if headers.fields else content.find(b"\n", at) + 1 or len(content)
        count += 1


def _word(text: str) -> str:
    return (re.split(r"[\s(;]", text.strip(), maxsplit=1) or [""])[0].lower()


def _status_of(group: Headers, diagnosis: str, prose: str) -> str | None:
    """The status field, unless the server's own words are more exact: many write 5.0.0 for anything."""
    given = _STATUS.search(group.get("status"))
    said = _SMTP_STATUS.search(diagnosis) or _SMTP_STATUS.search(prose)
    exact = next((code for code in said.groups() if code), None) if said else None
    if given is None:
        return exact
    vague = given[1].endswith(".0.0")
    return exact if vague and exact and exact[0] == given[1][0] else given[1]


def _from_feedback(part: Part, returned: str | None) -> Bounce:
    fields, _ = read_head(part.content())
    names = ("original-rcpt-to", "removal-recipient", "original-mail-from")
    recipient = next((a for a in (clean_address(fields.get(n)) for n in names[:2]) if a), None)
    return Bounce(recipient, None, "feedback", False, returned)


def _complaint(mail: ParsedMail) -> bool:
    """Microsoft's complaint reports are an original with a field, no report in form."""
    return "x-hmxmroriginalrecipient" in mail.headers or mail.subject.lower().startswith(
        "complaint about message from"
    )


def _from_json(mail: ParsedMail) -> Bounce | None:
    """Amazon SES tells by a topic that mails JSON: what became of the mail is in fields, for good only where they
    say Permanent and General or NoEmail."""
    text = mail.text.lstrip()
    if not text.startswith("{") or '"notificationType"' not in text[:_LOOKED_AT]:
        return None
    try:
        said = json.loads(text[: text.rindex("}") + 1])
        if "Message" in said and isinstance(said["Message"], str):
            said = json.loads(said["Message"])
        kind, sent = str(said["notificationType"]).lower(), said.get("mail", {})
        part = said.get(kind, {})
        returned = first_id(str(sent.get("commonHeaders", {}).get("messageId", ""))) or None
        who = (part.get("bouncedRecipients") or part.get("complainedRecipients") or [{}])[0]
        recipient = clean_address(str(who.get("emailAddress", ""))) or None
        if kind == "complaint":
            return Bounce(recipient, None, "feedback", False, returned)
        if kind != "bounce":
            return None
        status = _STATUS.search(str(who.get("status", "")))
        gone = part.get("bounceType") == "Permanent" and part.get("bounceSubType") in ("General", "NoEmail")
        action = "failed" if part.get("bounceType") != "Undetermined" else str(who.get("action") or "failed")
        return Bounce(recipient, status[1] if status else None, action, gone, returned)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


# --- reports in prose ---------------------------------------------------------------------------------------------

_DAEMON = re.compile(
    r"(mailer[-_]?daemon|mail[-_]?daemon|post_?master|mail[-_]?delivery|mailsystem|mail-system|noreply-mds)\b"
)
_SUBJECT = re.compile(
    r"undeliver|non[- ]?deliver|delivery (?:status|failure|failed|notification|has failed|problem|error|report|status)|"
    r"deliver(?:y|ing)? .{0,20}fail|fail(?:ed|ure) .{0,20}deliver|returned mail|mail (?:system )?error|failure notice|"
    r"mail could not be delivered|message (?:was )?not delivered|could not (?:be )?deliver|mail delivery|"
    r"returned to sender|return(?:ing)? (?:message|mail)? ?to sender|unzustellbar|nicht zugestellt|zustellung|"
    r"non remis|échec de (?:la )?remise|no se puede entregar|не доставлен|недоставлен|mailbox unavailable|"
    r"配信|エラー通知|送信できません|undelivered|delivery delayed|warning: (?:could not send|message)|"
    r"bounced? (?:mail|message)|mail failure|user unknown|無法投遞|退信|message delivery|not member|"
    r"no entregado|no se ha podido entregar|não (?:foi )?entregue|não é possível entregar|falha na entrega|"
    r"non recapitabile|mancata consegna|impossibile recapitare|onbestelbaar|niet bestelbaar|kan niet worden bezorgd|"
    r"nie można dostarczyć|niedostarcz|nedoruč|kan inte leverera|olevererbar|kan ikke leveres|kunne ikke leveres|"
    r"ei voitu toimittaa|toimitus epäonnistui|kézbesíthetetlen|nem kézbesíthető|nu (?:a putut|poate) fi livrat|"
    r"teslim edilemedi|не удается доставить|не удалось доставить|не може бути доставлен|не вдалося доставити|"
    r"δεν είναι δυνατή η παράδοση|配信不能|届けられません|无法送达|未送达|投递失败|系统退信|전달되지|배달 실패|반송|"
    r"تعذر (?:ال)?تسليم|לא ניתן למסור|לא נמסר",
    re.IGNORECASE,
)
_BODY = re.compile(
    r"(?:could ?n[o']t|can ?not|can't|unable to|was not able to|were not able to|wasn't able to) (?:be )?"
    r"(?:deliver|reach|find|sent)|delivery (?:to the following|failed|status|has failed|error|attempt)|"
    r"(?:had|have) permanent (?:fatal )?errors|fatal errors|undeliver|not delivered|not be delivered|user unknown|"
    r"unknown user|no such user|returned (?:message|mail|to you|by)|failed (?:to deliver|recipients?|address)|"
    r"mailbox (?:is )?(?:full|unavailable|not found)|over quota|following (?:recipients?|address)|"
    r"rejected by|permanent (?:error|failure)|nicht (?:zugestellt|erreichbar)|did not reach|failed permanently|"
    r"couldn't be delivered|送信できません|delivered to the|konnte nicht (?:zugestellt|übermittelt)|"
    r"n'a pas pu être (?:remis|délivr)|n’a pas pu être remis|no se (?:pudo|ha podido) entregar|não pôde ser entregue|"
    r"non è stato possibile (?:recapitare|consegnare)|kon niet worden (?:bezorgd|afgeleverd)|nie (?:mogła|może) zostać "
    r"dostarczon|nebylo možné doručit|kunde inte levereras|kunne ikke leveres|ei voitu toimittaa|"
    r"не (?:может быть|была|было) доставлен|не существует|teslim edilemedi|nem sikerült kézbesíteni|配信できません|"
    r"届けることができません|存在しません|无法送达|投递失败|전달할 수 없",
    re.IGNORECASE,
)
# Where the returned mail begins inside prose.
_RETURNED = re.compile(
    r"^(?:[-_=* ]{2,}.{0,40}(?:copy of|original|returned|undelivered|unsent|body of|included|your message|enclosed"
    r"|forwarded|header).{0,60}|return-path: .*|received: (?:from|by|\(qmail).*|[-]{20,}|"
    r"the following is .{0,40}|below this line is a copy.*|message header.{0,20})$",
    re.IGNORECASE | re.MULTILINE,
)


def _prose(mail: ParsedMail, envelope_sender: str | None) -> bool:
    """Several signs together: who sent it, what the subject says, what the text says, what came back."""
    headers = mail.headers
    if headers.get("x-failed-recipients"):
        return True
    sender = envelope_sender if envelope_sender is not None else headers.get("return-path")
    null = (envelope_sender == "" or sender.strip() == "<>") if sender is not None else False
    boxes = mail.mailboxes("from")
    daemon = (
        any(_DAEMON.match(box.address) for box in boxes) or "mailer-daemon" in headers.get("from").lower()
    )
    daemon = daemon or "mailer-daemon" in (sender or "").lower()
    subject = bool(_SUBJECT.search(mail.subject[:300]))
    body = bool(_BODY.search(_prose_text(mail)))
    inside = any(part.type in ("message/rfc822", "text/rfc822-headers") for part in mail.leaves)
    if "in-reply-to" in headers and not (daemon or null):  # a person answers
        return False
    return ((daemon or null) and (subject or body) and (subject + body + inside + daemon) >= 2) or (
        subject and body and inside and "received" in headers and not _written_by_hand(mail)
    )


def _written_by_hand(mail: ParsedMail) -> bool:
    return any(
        name in mail.headers
        for name in ("x-mailer", "user-agent", "in-reply-to", "references", "thread-topic")
    )


def _prose_text(mail: ParsedMail) -> str:
    """The server's words: the text up to where the returned mail begins."""
    text = mail.text[:_LOOKED_AT]
    for match in _RETURNED.finditer(text):
        if match.start() > 200 or _BODY.search(text[: match.start()]):
            return text[: match.start()]
    return text


def _from_prose(mail: ParsedMail, returned: str | None) -> Bounce:
    said = _prose_text(mail)
    found = _SMTP_STATUS.search(said)
    status = next((code for code in found.groups() if code), None) if found else None
    if status is None and (loose := _STATUS.search(said)):
        status = loose[1] if loose[1][0] in "45" else None
    code = _SMTP_CODE.search(said)
    delayed = bool(_DELAYED.search(f"{mail.subject}\n{said}")) and not _GAVE_UP.search(said)
    temporary = (
        status.startswith("4") if status else bool(code and code[1][0] == "4" and not _HARD.search(said))
    )
    return Bounce(
        recipient=_recipient_of(mail, said),
        status=status,
        action="delayed" if delayed else "failed",
        permanent=not delayed and not temporary and _for_good(status, said),
        message_id=returned,
    )


_DELAYED = re.compile(r"delay|will (?:be )?(?:continue|retr|keep trying)|not yet been delivered|still being|"
                      r"warning only|do not need to resend", re.IGNORECASE)  # fmt: skip
_GAVE_UP = re.compile(
    r"given up|giving up|gave up|permanent|fatal|failed permanently|no longer", re.IGNORECASE
)


def _recipient_of(mail: ParsedMail, said: str) -> str | None:
    failed = clean_address(mail.headers.get("x-failed-recipients").partition(",")[0])
    if failed:
        return failed
    own = {box.address for box in mail.mailboxes("to", "from", "delivered-to")}
    candidates = (clean_address(match[1]) for match in _ADDRESS.finditer(said))
    return next((a for a in candidates if a and a not in own), None)


# --- for good or not ----------------------------------------------------------------------------------------------

_HARD_STATUS: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4"})
_OPEN_STATUS: Final = ("5.0.0", "5.2.1", "5.3.0", "5.5.0", "5.7.1", "5.4.1", "5.1.0")  # decided by the words
_HARD = re.compile(
    r"user[ _]?unknown|unknown[ _](?:user|recipient|local|address|mailbox|or illegal)|no such (?:user|recipient|"
    r"mailbox|account|address|person|domain)|(?:user|recipient|mailbox|account|address|alias)[^.\n]{0,60}?"
    r"(?:not found|does(?: not|n't) exist|not exist|is unknown|not known|not listed|is not valid|isn't valid|"
    r"not a valid|not recogni[sz]ed|no longer (?:available|valid|exists?))|(?:invalid|bad|illegal) (?:recipient|"
    r"mailbox|user|destination)|not our customer|no mailbox (?:here )?by that name|user (?:doesn't|does not) have|"
    r"(?:host|domain)[^.\n]{0,40}?(?:unknown|not found|does(?: not|n't) exist|not exist)|unknown host|"
    r"host or domain name not found|name or service not known|unrouteable|unroutable|"
    r"couldn't find a mail exchanger|no such host|nullmx|null mx|does not accept mail|recipientnotfound|"
    r"recipnotfound|this user doesn't have|"
    r"couldn't find any host|can't find .{0,20}host|no (?:valid )?(?:mx|mail) .{0,20}host|"
    r"mailbox unavailable \(|is not a registered|not a known user|"
    r"account (?:is )?(?:closed|deleted)|no account by that name",
    re.IGNORECASE,
)
_SOFT = re.compile(
    r"quota|mailbox[^.\n]{0,30}full|mailfolder is full|full mailbox|insufficient (?:system )?storage|"
    r"too (?:large|big|much)|"
    r"exceed|size limit|timed? ?out|try again|tempora|connection refused|unreachable|greylist|grey-list|"
    r"deferred|resources|suspend|disabled|inactive|over .{0,12}limit|unable to connect|no route to host|"
    r"network is|lookup timed|retry time",
    re.IGNORECASE,
)
_POLICY = re.compile(
    r"spam|block|black ?list|blacklist|rbl|dnsbl|spamhaus|reputation|policy|reverse|ptr\b|rdns|dmarc|\bspf\b|dkim|"
    r"authenti|unsolicited|virus|content reject|not permitted|not allowed|access denied|denied|relay(?:ing)? |"
    r"client host|sender address|your ip|ip address|helo|prohibited|not authori[sz]ed|filter|refus",
    re.IGNORECASE,
)


# Said of the recipient itself, and before the content was sent: many filters say "user unknown" after it.
_AT_RECIPIENT = re.compile(
    r"rcpt|recipient name is not recognized|bad-mailbox|bad-domain|no such domain|domain may not exist|"
    r"550 host unknown|mailbox unavailable \(|host or domain name not found",
    re.IGNORECASE,
)
_NOT_RECIPIENT = re.compile(r"sender address|mail from|\b501 |after end of data|>>> data", re.IGNORECASE)


def _for_good(status: str | None, said: str) -> bool:
    """The address or its domain doesn't exist, and nothing said speaks for a passing or personal reason."""
    if status is not None and not status.startswith("5"):
        return False
    hard = bool(_HARD.search(said))
    if _SOFT.search(said):
        return False
    if status in _HARD_STATUS:
        return hard or not _POLICY.search(said)
    if not hard or (status is not None and status not in _OPEN_STATUS) or status == "5.7.1":
        return False
    return bool(_AT_RECIPIENT.search(said)) and not _NOT_RECIPIENT.search(said)


def _returned_id(mail: ParsedMail) -> str | None:
    """The Message-ID of the mail that came back: in a part of its own, or below the prose."""
    for part in mail.leaves:
        if part.type in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"):
            found = first_id(read_head(part.content()[:262_144])[0].get("message-id"))
            if found:
                return found
    match = re.search(r"^message-id:\s*<([^<>\s]{1,900})>", mail.text[:200_000], re.IGNORECASE | re.MULTILINE)
    return match[1] if match else None


def report_text(mail: ParsedMail) -> str:
    """What the server said, for staff to read."""
    return (
        clean(decode_words(_prose_text(mail))).strip()[:4_000]
        or clean(decode(b"".join(_report_bytes(mail))))[:4_000]
    )


def _report_bytes(mail: ParsedMail) -> Iterator[bytes]:
    for part in mail.leaves:
        if part.type == "message/delivery-status":
            yield part.content()[:8_000]
