"""The words of our mails: templates, in several languages, each of which an operator's folder may replace.

Ours lie in `templates/LANGUAGE/`, the layouts beside the languages. In the operator's folder the nearest wins:
`QUEUE/LANGUAGE/`, `QUEUE/`, `LANGUAGE/`, the folder itself. What lies there runs sandboxed, and a broken one never
holds up mail: ours is taken, and the log says why. `relaydesk check` finds it before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplatesNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

log = structlog.get_logger(__name__)

OURS: Final = Path(__file__).parent / "templates"
LANGUAGES: Final = ("en", "de", "fr", "es")
# Notices by the name that their delivery carries; those of STAFF are for the desk.
STAFF: Final = frozenset({"staff_news", "staff_new", "staff_reply", "staff_told"})
NOTICES: Final = STAFF | {
    "ack",
    "auto_closed",
    "closed",
    "confirm",
    "correction",
    "merged",
    "reminder",
    "reopened",
    "resolved",
    "sign_in",
    "waiting",
}
MAILS: Final = NOTICES | {"alert", "message", "staff_message"}
# What stands in or around them. `untitled` is the subject of a ticket that has none.
PIECES: Final = frozenset(
    {
        "confirm.button",
        "confirm.subject",
        "file_left",
        "file_linked",
        "file_missing",
        "footer",
        "participant",
        "passed_on",
        "resolved.button",
        "sign_in.button",
        "sign_in.subject",
        "staff_news.subject",
        "untitled",
    }
)
LAYOUTS: Final = frozenset({"layout.txt.j2", "layout.html.j2", "digest.txt.j2", "digest.html.j2"})
_LONGEST: Final = 4_000_000  # characters; a message's own words are the most of it
_LINK = re.compile(r"https?://[^\s<>\"'\x00-\x1f]{1,2000}")
_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Voice:
    """In which language, and for which queue, a mail speaks."""

    language: str = "en"
    queue: str = ""


_PLAIN: Final = Voice()


class Texts:
    """Our templates and, before them, those of `folder` ("": none)."""

    def __init__(self, folder: str = "") -> None:
        self._folder = Path(folder) if folder else None
        self._ours = _furnished(Environment(loader=FileSystemLoader(OURS), **_MANNERS))  # noqa: S701
        self._theirs: Environment | None = None
        if self._folder is not None:
            sandboxed = ImmutableSandboxedEnvironment(loader=FileSystemLoader(self._folder), **_MANNERS)
            self._theirs = _furnished(sandboxed)

    def language(self, wanted: Iterable[str], queue: str = "") -> str:
        """Return the first of these languages ("de", "de-AT") in which there are texts, else English."""
        for one in wanted:
            code = re.split("[-_]", one.lower(), maxsplit=1)[0]
            if code in LANGUAGES or (_CODE.fullmatch(code) and self._speaks(code, queue)):
                return code
        return "en"

    def _speaks(self, code: str, queue: str) -> bool:
        if self._folder is None:
            return False
        return any((self._folder / place / code).is_dir() for place in {queue, "."} if place)

    def render(self, name: str, values: Mapping[str, Any], voice: Voice = _PLAIN) -> str:
        """Return the text of a template; `name` is without its ending, like "ack" or "confirm.subject"."""
        return self._render(f"{name}.txt.j2", values, voice)

    def html(self, name: str, values: Mapping[str, Any], voice: Voice = _PLAIN) -> Markup | None:
        """Return the operator's own HTML for a text, None where there is none: it is made from the text then."""
        made = self._their(f"{name}.html.j2", values, voice)
        return None if made is None else Markup(made)  # noqa: S704  # values were escaped

    def layout(self, file: str, values: Mapping[str, Any], voice: Voice = _PLAIN) -> str:
        """Return a whole mail: `file` is one of `LAYOUTS`."""
        return self._render(file, values, voice)

    def _render(self, file: str, values: Mapping[str, Any], voice: Voice) -> str:
        made = self._their(file, values, voice)
        if made is not None:
            return made
        return self._ours.select_template([f"{voice.language}/{file}", f"en/{file}", file]).render(values)

    def _their(self, file: str, values: Mapping[str, Any], voice: Voice) -> str | None:
        """What the operator's folder makes of it; None where it has nothing, or something broken."""
        if self._theirs is None:
            return None
        queue, language = voice.queue, voice.language
        places = [f"{queue}/{language}/{file}", f"{queue}/{file}"] if queue else []
        try:
            template = self._theirs.select_template([*places, f"{language}/{file}", file])
            made = template.render(values)
        except TemplatesNotFound as exc:
            if file not in exc.templates:  # what it includes isn't there
                _tell(file, voice, exc)
            return None
        except Exception as exc:
            _tell(file, voice, exc)
            return None
        if len(made) > _LONGEST:
            _tell(file, voice, ValueError("it is endless"))
            return None
        return made

    # -- for `relaydesk check` --

    def count(self) -> int:
        """Return how many texts the operator's folder replaces."""
        return sum(1 for _ in self._files())

    def problems(self, queues: Iterable[str]) -> list[str]:
        """Compile and render everything in the operator's folder; return what is wrong, a line each."""
        if self._folder is None or self._theirs is None:
            return []
        if not self._folder.is_dir():
            return [f"email.outbound.templates: there is no folder {self._folder}"]
        known, found = frozenset(queues), []
        for file in self._files():
            path = file.relative_to(self._folder)
            reason = _misplaced(path.parts, known) or self._wrong(path.as_posix())
            if reason:
                found.append(f"{path}: {reason}")
        return found

    def _files(self) -> Iterator[Path]:
        if self._folder is not None and self._folder.is_dir():
            yield from sorted(self._folder.rglob("*.j2"))

    def _wrong(self, path: str) -> str:
        assert self._theirs is not None
        digest = path.rpartition("/")[2].startswith("digest.")
        for sample in DIGEST_SAMPLES if digest else SAMPLES:
            try:
                if len(self._theirs.get_template(path).render(sample)) > _LONGEST:
                    return "it is endless"
            except TemplateError as exc:
                line = getattr(exc, "lineno", None)
                return f"{exc.message}{f' (line {line})' if line else ''}"
            except Exception as exc:
                return f"{type(exc).__name__}: {exc}"
        return ""


def _misplaced(parts: tuple[str, ...], queues: frozenset[str]) -> str:
    """Say what is wrong with where a file lies or how it is called: "" where it is used."""
    *folders, file = parts
    stem, _, ending = file.removesuffix(".j2").rpartition(".")
    if file not in LAYOUTS and not (
        (ending == "txt" and stem in MAILS | PIECES) or (ending == "html" and stem in MAILS)
    ):
        return "no mail uses a text of this name"
    match folders:
        case []:
            return ""
        case [one] if one in queues or _CODE.fullmatch(one):
            return ""
        case [queue, code] if queue in queues and _CODE.fullmatch(code):
            return ""
    return "it lies in no folder of a queue or language"


def _tell(file: str, voice: Voice, exc: Exception) -> None:
    log.warning(
        "template_broken",
        template=file,
        queue=voice.queue,
        language=voice.language,
        error=f"{type(exc).__name__}: {str(exc)[:200]}",
    )


def prose(text: str) -> Markup:
    """Text as HTML: everything escaped, line ends and indentation kept, links made live."""
    parts, at = [], 0
    for found in _LINK.finditer(text):
        url = found[0].rstrip(".,;:!?)]}'")
        link = Markup('<a href="{}" class="link" style="color:#2457d6;">{}</a>').format(url, url)
        parts += [escape(text[at : found.start()]), link]
        at = found.start() + len(url)
    parts.append(escape(text[at:]))
    html = re.sub(r"(?m)^ +|(?<= ) ", lambda m: "&nbsp;" * len(m[0]), str(Markup("").join(parts)))
    return Markup(html.replace("\n", "<br>\n"))  # noqa: S704  # escaped piece by piece above


def amount(size: int, language: str = "en") -> str:
    """A file's size as people of a language write it, in steps of 1,000: "20.5 MB", "20,5 Mo"."""
    unit, value = ("kB", size / 1_000) if size < 1_000_000 else ("MB", size / 1_000_000)
    if value >= 1_000:
        unit, value = "GB", value / 1_000
    written = f"{max(value, 0.1):.1f}".removesuffix(".0")
    if language != "en":
        written = written.replace(".", ",")
    if language == "fr":
        unit = {"kB": "ko", "MB": "Mo", "GB": "Go"}[unit]
    return f"{written} {unit}"


_MANNERS: Final[dict[str, Any]] = {
    "autoescape": lambda name: bool(name and name.endswith(".html.j2")),
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


def _furnished(environment: Environment) -> Environment:
    environment.filters["prose"] = prose
    return environment


_FULL: Final[dict[str, Any]] = {
    "service": "Acme Support",
    "number": "#12",
    "title": "The printer",
    "queue": "support",
    "language": "en",
    "author": "Zoe <zoe@example.net>",
    "outsider": True,
    "note": True,
    "desk": True,
    "answers_count": True,
    "note_address": "support+n12-signature@example.com",
    "claims": "ada@example.com",
    "text": "It works.",
    "words": "It works.",
    "words_html": Markup("It works."),
    "closes": True,
    "delivery": 7,
    "into": "#13",
    "more": 2,
    "unsubscribe": "https://desk.example.com/x",
    "lines": [
        {
            "news": "missed",
            "number": "#12",
            "title": "The printer",
            "by": "Zoe",
            "times": 2,
            "target": "first",
            "due": "2026-03-18 09:30 (UTC)",
            "to": "zoe@example.net",
            "reason": "550 no such user",
            "link": "https://desk.example.com/tickets/12",
        }
    ],
    "reason": "550 no such user",
    "url": "https://desk.example.com/x",
    "code": "012345",
    "file": "plan.pdf",
    "size": "20.5 MB",
    "until": "2026-03-18 09:30 UTC",
    "link": "https://desk.example.com/tickets/12",
    "subject": "Re: [#12] The printer",
    "marker": "--",
    "lead": "Thank you.",
    "lead_html": Markup("Thank you."),
    "boxed": True,
    "button": {"url": "https://desk.example.com/x", "label": "Confirm"},
    "footer": ["Acme Support"],
    "files": ["The file plan.pdf could not be attached."],
    "images": [{"cid": "1@example.com", "name": "shot.png"}],
}
_EMPTY: Final[dict[str, Any]] = {
    name: {str: "", Markup: Markup(""), bool: False, list: [], dict: None, int: None}[type(value)]
    for name, value in _FULL.items()
}
SAMPLES: Final = (_FULL, _EMPTY)

_CELL: Final = {"text": "support", "then": "(1)", "align": "left", "gap": " ", "breaks": False}
# What `intake.email.digest_mail.values` gives the digest's layouts.
_DIGEST: Final[dict[str, Any]] = {
    "language": "en",
    "service": "Acme Support",
    "subject": "Acme Support: daily, 27 Nov",
    "name": "daily",
    "period": "Fri 27 Nov 2026 08:00 to Sat 28 Nov 08:00, Europe/Berlin",
    "scope": "All queues",
    "late": "This report is late.",
    "empty": False,
    "headline": ["42 came in, 12 more than the period before."],
    "needs": [
        {
            "words": "#12 The printer: nobody has it",
            "subject": "#12 The printer",
            "colon": ": ",
            "text": "nobody has it",
            "url": "",
        }
    ],
    "charts": [
        {"cid": "7.chart0@example.com", "title": "Came in", "words": "9", "width": 592, "height": 190}
    ],
    "tables": [
        {
            "title": "By queue",
            "head": [{"text": "Queue", "align": "left"}],
            "rows": [{"cells": [_CELL], "bar": 40, "url": ""}],
            "wide": False,
            "note": "In brackets: the period before.",
            "lines": ["Queue", "-----", "support (1)"],
        }
    ],
    "unsubscribe": "https://desk.example.com/x",
    "labels": {
        "needs": "What needs somebody",
        "in_numbers": "In numbers",
        "unsubscribe": "Get these mails no more",
        "unsubscribe_at": "To get these mails no more: https://desk.example.com/x",
    },
}
DIGEST_SAMPLES: Final = (
    _DIGEST,
    _DIGEST | {"empty": True, "late": "", "needs": [], "charts": [], "tables": [], "unsubscribe": ""},
)
