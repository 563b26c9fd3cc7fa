"""Numbers, durations and times as a report writes them for people, in their language. Pure.

The words are `core/texts/report.*.toml`; numbers, names of days and months and plurals come from Babel. In English all
is written one way wherever its readers are: "12,345" and "Fri 27 Nov 08:00".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from core.figures_shapes import Share
from core.report_texts import ours, speaks
from core.slack_texts import Texts, spoken

if TYPE_CHECKING:
    from babel import Locale

    from core.config import Config

NOTHING: Final = "–"  # where there is nothing to say
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LONG: Final = 14 * _DAY  # from here on hours tell nothing more
_ONE_DAY: Final = timedelta(hours=25)  # a local day is that long where the clocks are put back
_DATES: Final = {"en": "d MMM", "de": "d. MMM", "fr": "d MMM", "es": "d MMM"}  # others: as Babel has them
# Line ends, control characters and those that turn the direction of what follows them.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)


def plain(text: str, limit: int) -> str:
    """Somebody else's words on one line, at most `limit` characters; "…" where they go on."""
    text = " ".join(_UNSEEN.sub(" ", text).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


@lru_cache(maxsize=4096)  # a report says few numbers often, and Babel takes 10 µs for each
def _decimal(value: float, locale: str) -> str:
    from babel.numbers import format_decimal

    # The narrow space between thousands is missing in fonts of old mail programs.
    return format_decimal(value, locale=_known(locale)).replace("\u202f", "\u00a0")


@dataclass(frozen=True, slots=True)
class Speech:
    """A language as reports use it. `locale`: Babel's name of it, "de_AT". `texts`: by their keys, of which `own` are
    the operator's."""

    language: str
    locale: str
    texts: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict)

    def text(self, key: str, **gaps: str) -> str:
        """Return a text with its gaps filled. Raises `KeyError` for a key or a gap that there isn't."""
        told = self.texts[key].format_map(gaps)
        # The point of an abbreviation ends the sentence too: "höchstens 6 Std."
        return told[:-1] if told.endswith("..") and not told.endswith("...") else told

    def counted(self, key: str, n: int, **gaps: str) -> str:
        """Return the text for that many: `key_one` or `key_other`, with the number as `{n}`."""
        return self.text(f"{key}_{self.plural(n)}", n=self.number(n), **gaps)

    def plural(self, n: int) -> str:
        """Return "one" or "other": which of two texts is for that many. In a language of the operator's own "one" is
        for 1 alone: what they left out is English, and a Russian "one" is for 21 too."""
        if self.language not in ours():
            return "one" if n == 1 else "other"
        return "one" if _known(self.locale).plural_form(n) == "one" else "other"

    def number(self, value: int) -> str:
        """Return "12,345"."""
        return self.decimal(value)

    def decimal(self, value: float) -> str:
        """Return "4.25"; at most three digits behind the point."""
        return _decimal(value, self.locale)

    @property
    def point(self) -> str:
        """The decimal point: "." or ","."""
        from babel.numbers import get_decimal_symbol

        return get_decimal_symbol(self.locale)

    def duration(self, seconds: float | None) -> str:
        """Return "45 s", "20 min", "3 h 20 min", "2 days 4 h" or "30 days"; "–" for None."""
        if seconds is None:
            return NOTHING
        whole = round(seconds)
        if whole < _MINUTE:
            return self.text("seconds", n=self.number(max(whole, 0)))
        minutes = round(whole / _MINUTE)
        if minutes < 60:
            return self.text("minutes", n=self.number(minutes))
        if minutes < 24 * 60:
            hours, minutes = divmod(minutes, 60)
            told = self.text("hours", n=self.number(hours))
            rest = self.text("minutes", n=self.number(minutes))
            return self.text("hours_minutes", hours=told, minutes=rest) if minutes else told
        days, hours = divmod(round(minutes / 60), 24)
        told = self.counted("days", days)
        rest = self.text("hours", n=self.number(hours))
        return self.text("days_hours", days=told, hours=rest) if hours and whole < _LONG else told

    def percent(self, share: Share) -> str:
        """Return "91.2 %", or "–" where it would be a share of too few."""
        return NOTHING if share.percent is None else self.hundredths(share.percent)

    def hundredths(self, value: float) -> str:
        """Return "2.5 %"."""
        return self.text("percent", n=self.decimal(value))

    def change(self, now: int, before: int) -> str:
        """Return "+12", "−5", or "=" where nothing changed."""
        if now == before:
            return "="
        return f"+{self.number(now - before)}" if now > before else f"−{self.number(before - now)}"

    def compared(self, now: int, before: int, with_what: str = "") -> str:
        """Return "12 more", "5 fewer" or "as many as then"; `with_what`: "_than_before" or "_than_start"."""
        if now == before:
            return self.text("same" + with_what.replace("_than_", "_as_"))
        key = ("more" if now > before else "fewer") + with_what
        return self.text(key, n=self.number(abs(now - before)))

    def moment(self, at: datetime, zone: ZoneInfo, *, year: bool = False) -> str:
        """Return "Fri 27 Nov 08:00", with the year where it is asked for."""
        at = at.astimezone(zone)
        return f"{self._date(at, weekday=True, year=year)} {at:%H:%M}"

    def span(self, since: datetime, until: datetime, zone: ZoneInfo) -> str:
        """Return "Fri 27 Nov 2026 08:00 to Sat 28 Nov 08:00, Europe/Berlin"; where the clocks were changed in it, it
        also says how long it really was."""
        start, end = since.astimezone(zone), until.astimezone(zone)
        first = self.moment(since, zone, year=True)
        last = self.moment(until, zone, year=start.year != end.year)
        told = self.text("span", since=first, until=last, zone=zone.key)
        shown = end.replace(tzinfo=UTC) - start.replace(tzinfo=UTC)
        really = until - since
        if shown == really:
            return told
        return self.text("span_changed", span=told, duration=self.duration(really.total_seconds()))

    def dates(self, since: datetime, until: datetime, zone: ZoneInfo) -> str:
        """Return "27 Nov" for up to a day (the one it begins on), else "20 to 27 Nov"."""
        start, end = since.astimezone(zone), (until - timedelta(microseconds=1)).astimezone(zone)
        if until - since <= _ONE_DAY or start.date() == end.date():
            return self._date(start)
        years = start.year != end.year
        month = years or start.month != end.month
        first = self._date(start, year=years, month=month)
        return self.text("dates", first=first, last=self._date(end, year=years))

    def inside(self, label: str) -> str:
        """Return a label as it stands within a line; German nouns keep their capitals."""
        return label if self.language == "de" else f"{label[:1].lower()}{label[1:]}"

    def weekdays(self) -> tuple[str, ...]:
        """Return "Mon" to "Sun"."""
        from babel.dates import format_date

        days = (date(2024, 1, day) for day in range(1, 8))  # the first of them was a Monday
        return tuple(format_date(day, "ccc", locale=self.locale) for day in days)

    def _date(self, at: datetime, *, weekday: bool = False, year: bool = False, month: bool = True) -> str:
        from babel.dates import format_date, format_skeleton

        code = self.locale.partition("_")[0]
        if code not in _DATES:
            skeleton = "y" * year + "MMM" + "E" * weekday + "d"
            return format_skeleton(skeleton, at, tzinfo=at.tzinfo, locale=self.locale)
        day = _DATES[code] if month else _DATES[code].removesuffix(" MMM")
        return format_date(at, "EEE " * weekday + day + " y" * year, locale=self.locale)


@cache
def _known(locale: str) -> Locale:
    from babel import Locale

    return Locale.parse(locale)


def warm(config: Config) -> None:
    """Load what writes in the languages that a service speaks. It may take half a second, so not in an event loop."""
    for language in {"en", config.service.language, *(one.language for one in config.digest if one.language)}:
        words = spoken_by(language, config.service.texts)
        words.moment(datetime.now(UTC), ZoneInfo("UTC"))
        words.plural(1)
        words.number(1)


@cache
def speech(language: str) -> Speech:
    """Return how a language ("de", "de-AT") is written; English where we have no texts in it."""
    return spoken_by(language, {})


def spoken_by(language: str, own: Texts) -> Speech:
    """Return how a language is written where the operator has texts of their own, which come before ours."""
    code = re.split("[-_]", language.lower(), maxsplit=1)[0]
    if not speaks(code, own):
        code = language = "en"
    return Speech(code, _locale(language, code), spoken(code, ours(), own), own.get(code, {}))


def _locale(language: str, code: str) -> str:
    """Babel's name of a language, or of English where it knows none."""
    from babel import Locale, UnknownLocaleError

    if code != "en":
        for name in (language, code):
            try:
                return str(Locale.parse(name.replace("-", "_")))
            except (ValueError, UnknownLocaleError):
                continue
    return "en"
