"""Who wrote a mail, how well we know it, and whether a machine wrote it. Pure.

The name never tells who somebody is; the address in From does, and only an `Authentication-Results` field (RFC 8601)
of a server that the configuration names makes it more than a claim.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from intake.email.addresses import domain_of, plain_of
from intake.email.mailboxes import Mailbox, is_plain_single
from intake.email.parse import ParsedMail

# Programs that send what a person typed into a form; Reply-To then names the person.
_FORMS: Final = frozenset({"noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "wordpress", "www-data",
                           "www", "web", "website", "webform", "form", "forms", "contact-form", "contactform",
                           "kontaktformular", "apache", "nobody", "mailer", "system", "notification",
                           "notifications"})  # fmt: skip
_NO_REPLY = re.compile(
    r"(no[-_.]?reply|do[-_.]?not[-_.]?reply|nicht[-_.]?antworten|mailer-daemon|postmaster)\b.*"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote: `box` names them; `source` says which field did ("from", "reply-to", "original-from", "envelope",
    "nobody"). `authenticated`: a hop that we trust vouches for the domain of that very address. `results`: what
    the hop said, for people."""

    box: Mailbox
    source: str
    authenticated: bool = False
    results: Mapping[str, str | bool | None] = field(default_factory=dict)


def identify(
    mail: ParsedMail, envelope_sender: str, ours: Collection[str], trusted: Collection[str]
) -> Sender:
    """Say who wrote the mail.

    `envelope_sender`: '' for the null sender or where unknown. `ours`: plain addresses of queues, lower case.
    `trusted`: the authserv-ids that are believed.
    """
    results = _results(mail, trusted)
    written = mail.mailboxes("from")
    if not written:
        written = mail.mailboxes("sender", "reply-to", "return-path")
        box = written[0] if written else Mailbox("", envelope_sender.lower() or "unknown@invalid")
        return Sender(box, "envelope" if box.address != "unknown@invalid" else "nobody", False, results)
    box = written[0]
    if (original := _through_group(mail, box)) is not None:
        return Sender(original, "original-from", False, results)
    if (person := _behind_form(mail, box, ours)) is not None:
        return Sender(person, "reply-to", False, results)
    fields = mail.headers.all("from")
    single = len(fields) == 1 and is_plain_single(fields[0])
    if not single:  # which of them a server checked, nobody knows
        results = {**results, "several_from": True}
    return Sender(box, "from", single and _vouched(results, domain_of(box.address)), results)


def _through_group(mail: ParsedMail, box: Mailbox) -> Mailbox | None:
    """A Google Group or mailing list that puts its own address into From keeps the writer's beside it."""
    group = "x-google-group-id" in mail.headers or "list-id" in mail.headers or "mailing-list" in mail.headers
    if not group:
        return None
    for name in ("x-original-from", "x-original-sender"):
        for original in mail.mailboxes(name)[:1]:
            rewritten = " via " in box.name or box.address in {b.address for b in mail.mailboxes("to", "cc")}
            if rewritten and original.address != box.address:
                shown = original.name or box.name.partition(" via ")[0].strip(" '\"")
                return Mailbox(shown, original.address)
    return None


def _behind_form(mail: ParsedMail, box: Mailbox, ours: Collection[str]) -> Mailbox | None:
    """A form's mail comes from us or from a program; its Reply-To is the customer. Never of automatic mail: its
    Reply-To may be anything."""
    local = box.address.partition("@")[0]
    if not (box.address in ours or local in _FORMS) or _says_automatic(mail):
        return None
    answers = mail.mailboxes("reply-to")
    if len(answers) != 1 or _plainly_ours(answers[0].address, ours) or answers[0].address == box.address:
        return None
    return None if _NO_REPLY.fullmatch(answers[0].address) else answers[0]


def _plainly_ours(address: str, ours: Collection[str]) -> bool:
    """Whether it's an address of ours, or one that we signed: our own answer names that in its Reply-To."""
    return any(plain_of(address, delimiter) in ours for delimiter in "+-=_~")


# What `trusted_authserv_ids` says to believe results that name no server, as those of Microsoft 365 are.
NAMELESS: Final = "microsoft365"
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')


def _results(mail: ParsedMail, trusted: Collection[str]) -> dict[str, str | bool | None]:
    """Read the topmost `Authentication-Results` where its server is trusted; lower ones may be forged."""
    found: dict[str, str | bool | None] = {"trusted": False, "dmarc": None, "dkim": None, "spf": None}
    fields = mail.headers.all("authentication-results")
    if not fields:
        return found
    # What stands in quotes is the sender's to choose (a local part), never a result.
    text = _QUOTED.sub('""', fields[0][:8_192])
    for _ in range(5):  # nested comments, as deep as anybody writes them
        text = _COMMENT.sub(" ", text)
    text = " ".join(text.split()).replace(" =", "=").replace("= ", "=")
    server, *entries = text.split(";")
    name = (server.split() or [""])[0].lower()
    if "=" in name:  # Exchange Online doesn't say who it is
        name, entries = NAMELESS, [server, *entries]
    if name not in {known.lower() for known in trusted}:
        return found
    found.update(trusted=True, authserv_id=name)
    signers = []  # DKIM alone comes in several: one that passed is enough; of the others the first word counts
    for entry in entries[:50]:
        method, _, rest = entry.strip().partition("=")
        words = rest.lower().split()
        method = method.strip().lower().partition("/")[0]
        if not words or method not in ("dmarc", "dkim", "spf"):
            continue
        given = _properties(words[1:])
        if method == "dkim" and words[0] == "pass":
            signers.append(given.get("header.d") or given.get("header.i") or "")
            found[method] = "pass"
        elif found[method] is None:
            found[method] = words[0]
            if method != "dkim":
                found.update((f"{method}.{key}", value) for key, value in given.items())
    if signers:
        found["dkim.signers"] = " ".join(signers)
    return found


def _properties(words: Sequence[str]) -> dict[str, str]:
    """The domains that a result is about."""
    given = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in ("header.d", "header.i", "header.from", "smtp.mailfrom"):
            given[key] = value.strip('"').rpartition("@")[2][:255]
    return given


def _vouched(results: Mapping[str, str | bool | None], domain: str) -> bool:
    """DMARC passed for this domain, or DKIM or SPF passed for it or a parent of it (RFC 7489 3.1, without guesses
    about where a registry's domains end)."""
    if not results.get("trusted") or not domain or results.get("dmarc") == "fail":
        return False
    if results.get("dmarc") == "pass":
        return results.get("dmarc.header.from") in (None, domain)
    signers = str(results.get("dkim.signers") or "").split()
    by_dkim = any(_covers(signer, domain) for signer in signers)
    return by_dkim or (results.get("spf") == "pass" and _covers(results.get("spf.smtp.mailfrom"), domain))


def _covers(parent: str | bool | None, domain: str) -> bool:
    return isinstance(parent, str) and "." in parent and (domain == parent or domain.endswith(f".{parent}"))


# --- automatic or not ---------------------------------------------------------------------------------------------

_REPLY_FIELDS: Final = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-autoresponder", "x-autoreply-from",
                        "x-auto-reply-from", "x-mail-autoreply", "x-autoanswer", "x-vacation", "x-ooo")  # fmt: skip
_LIST_FIELDS: Final = (
    "list-id",
    "list-post",
    "list-unsubscribe",
    "mailing-list",
    "x-mailing-list",
    "x-mlserver",
    "x-ml-name",
)
# What vacation programs put first, with a colon or nothing after it.
_REPLY_SUBJECT = re.compile(
    r"(?:auto(?:matic|mated)?[- ]?(?:reply|response|answer)|out of (?:the )?office(?: auto-?reply)?|ooo|"
    r"vacation reply|auto(?=: *(?:re|aw|fwd?):)|holiday reply|away from (?:my )?(?:mail|desk|office)|"
    r"automatische (?:antwort|beantwortung)|abwesenheits(?:notiz|meldung|benachrichtigung|assistent)|abwesend|"
    r"r[ée]ponse automatique(?: d'absence)?|absence du bureau|respuesta autom[áa]tica|fuera de la oficina|"
    r"resposta autom[áa]tica|risposta automatica|fuori ufficio|automatisch antwoord|afwezigheidsbericht|autosvar|"
    r"automatiskt svar|automatisk svar|fraværsmelding|automaattinen vastaus|poissaolo|odpowied[źz] automatyczna|"
    r"automatick[áa] odpov[ěe][ďd]|automatikus v[áa]lasz|otomatik yan[ıi]t|автоматический ответ|автоответ|"
    r"răspuns automat|automatski odgovor|automatická odpove[ďd]|samodejni odgovor|автоматичен отговор|"
    r"automatinis atsakymas|automātiska atbilde|automaatvastus|resposta automàtica|trả lời tự động|balasan otomatis|"
    r"رد (?:تلقائي|آلي)|(?:מענה|תשובה) אוטומטית?|ตอบกลับอัตโนมัติ|"
    r"автоматична відповідь|αυτόματη απάντηση|自动回复|自動回覆|自動回復|自動応答|自動返信|不在通知|자동 ?회신|부재중)"
    r"\s*(?:[:：\]】-].*)?",
    re.IGNORECASE | re.DOTALL,
)


def automatic(mail: ParsedMail, envelope_sender: str | None, sender: Sender) -> str | None:
    """Say what kind of machine wrote a mail that is no bounce: "auto-reply", "auto-generated", "list", or None.

    `envelope_sender`: '' is the null sender, None not known (then Return-Path counts). `X-Auto-Response-Suppress`
    alone says nothing: Exchange puts it on people's mail. `Auto-Submitted: no` is a person (RFC 3834 5).
    """
    headers = mail.headers
    said = _auto_submitted(mail)
    if said == "no":
        return None
    answers = _REPLY_SUBJECT.fullmatch(mail.subject[:300].strip("[【 ")) is not None
    if said:  # Exchange's "Automatic reply: …" says auto-generated
        return "auto-reply" if answers or said == "auto-replied" else "auto-generated"
    if answers or mail.report_type == "disposition-notification" or _says_reply(mail):
        return "auto-reply"
    if _machine_generated(mail):
        return "auto-generated"
    if sender.source != "original-from" and any(name in headers for name in _LIST_FIELDS):
        return "list"
    precedence = _precedence(mail)
    if precedence == "list" and sender.source != "original-from":
        return "list"
    if precedence in ("bulk", "junk") and sender.source != "original-from":
        return "auto-generated"
    if _null(envelope_sender if envelope_sender is not None else headers.get("return-path") or "-"):
        return "auto-generated"
    return "auto-generated" if _NO_REPLY.fullmatch(sender.box.address) or sender.source == "nobody" else None


def _null(envelope_sender: str) -> bool:
    return envelope_sender.strip() in ("", "<>")


def _auto_submitted(mail: ParsedMail) -> str:
    value = _COMMENT.sub(" ", mail.headers.get("auto-submitted")[:1_000]).partition(";")[0]
    return (value.split() or [""])[0].lower()


def _precedence(mail: ParsedMail) -> str:
    return (
        (mail.headers.get("precedence") or mail.headers.get("x-precedence")).strip().lower().replace("-", "_")
    )


def _says_reply(mail: ParsedMail) -> bool:
    headers = mail.headers
    given = [headers.get(name).strip().lower() for name in _REPLY_FIELDS if name in headers]
    return (
        any(value not in ("no", "false", "0") for value in given)
        or _precedence(mail) == "auto_reply"
        or headers.get("x-autogenerated").strip().lower() == "reply"
        or headers.get("delivered-to").strip().lower() == "autoresponder"
    )


def _machine_generated(mail: ParsedMail) -> bool:
    headers = mail.headers
    return (
        headers.get("x-fc-machinegenerated").strip().lower() == "true"
        or headers.get("x-loop").strip().lower() in ("yes", "true")
        or "x-autogenerated" in headers
        or headers.get("x-amazon-mail-relay-type").strip().lower() == "notification"
    )


def _says_automatic(mail: ParsedMail) -> bool:
    """The mail itself says that a machine wrote it."""
    said = _auto_submitted(mail)
    return (said not in ("", "no")) or _says_reply(mail) or _precedence(mail) in ("bulk", "junk", "list")
