"""A report as a value: made once, kept as JSON, and shown by the page, by mail and in Slack.

Its words are written for people already, and hold no markup: whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.figures_shapes import rfc3339
from core.report_words import Speech, speech, spoken_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that needs somebody. `kind`: waiting, unassigned, past, missed, deliveries, unread or
    held_back.
    `ticket`, `title`: the ticket that it is about, where it is about one. `colon`: what stands behind these."""

    kind: str
    text: str
    ticket: int | None = None
    title: str = ""
    colon: str = ": "

    @property
    def words(self) -> str:
        """All of it in one line: "#12 The printer: has waited 3 h"."""
        return self.text if self.ticket is None else f"#{self.ticket} {self.title}{self.colon}{self.text}"

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "kind": self.kind,
            "text": self.text,
            "ticket": self.ticket,
            "title": self.title,
            "colon": self.colon,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Need:
        """Read what `as_json` gave."""
        return cls(
            kind=kept["kind"],
            text=kept["text"],
            ticket=kept["ticket"],
            title=kept["title"],
            colon=kept.get("colon", ": "),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table. `bar`: its length in percent of the longest, None where none is drawn. `ticket`: the one
    that it is about."""

    cells: tuple[str, ...]
    bar: int | None = None
    ticket: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"cells": list(self.cells), "bar": self.bar, "ticket": self.ticket}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Row:
        """Read what `as_json` gave."""
        return cls(cells=tuple(kept["cells"]), bar=kept["bar"], ticket=kept["ticket"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOf:
    """A table. `align`: "l" or "r" for each column; each row has as many cells as `head`. `note`: said below it."""

    key: str
    title: str
    head: tuple[str, ...]
    align: str
    rows: tuple[Row, ...]
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "key": self.key,
            "title": self.title,
            "head": list(self.head),
            "align": self.align,
            "rows": [row.as_json() for row in self.rows],
            "note": self.note,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> TableOf:
        """Read what `as_json` gave."""
        return cls(
            key=kept["key"],
            title=kept["title"],
            head=tuple(kept["head"]),
            align=kept["align"],
            rows=tuple(Row.of_json(row) for row in kept["rows"]),
            note=kept["note"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series of a chart: a value for each of its labels."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Series over the same labels, for a chart of bars. `words`: its numbers, for those who don't see it."""

    key: str
    title: str
    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    words: str = ""

    def told(self, speech: Speech) -> str:
        """Return the numbers of the chart in words; labels without any are left out."""
        found = []
        for at, label in enumerate(self.labels):
            values = [line.values[at] for line in self.lines]
            if any(values):
                found.append(f"{label} {' / '.join(map(speech.number, values))}")
        names = " / ".join(line.name for line in self.lines)
        values_told = ", ".join(found) or speech.text("none")
        return speech.text("chart", title=self.title, names=names, values=values_told)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "key": self.key,
            "title": self.title,
            "labels": list(self.labels),
            "lines": [{"name": line.name, "values": list(line.values)} for line in self.lines],
            "words": self.words,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Chart:
        """Read what `as_json` gave; one that was kept before it had words of its own was English."""
        chart = cls(
            key=kept["key"],
            title=kept["title"],
            labels=tuple(kept["labels"]),
            lines=tuple(Line(name=line["name"], values=tuple(line["values"])) for line in kept["lines"]),
            words=kept.get("words", ""),
        )
        return chart if "words" in kept else replace(chart, words=chart.told(speech("en")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the desk did in a period, and what needs somebody.

    `headline`: sentences, what changed first. `queues`: () are all. `made_at`: what stands (who waits, what is
    unassigned) is of then. `late`: it was made after its time. `empty`: nothing happened in the period, and the
    headline says so in one sentence; what needs somebody is told nevertheless. `language`: in which it is written;
    `texts`: the operator's own of it, as they were then.
    """

    name: str
    service: str
    since: datetime
    until: datetime
    zone: str
    made_at: datetime
    queues: tuple[str, ...] = ()
    late: bool = False
    headline: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    tables: tuple[TableOf, ...] = ()
    series: tuple[Chart, ...] = ()
    empty: bool = False
    language: str = "en"
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def speech(self) -> Speech:
        """How it writes numbers and words."""
        return spoken_by(self.language, {self.language: self.texts})

    @property
    def period(self) -> str:
        """The period and its time zone in words."""
        return self.speech.span(self.since, self.until, ZoneInfo(self.zone))

    @property
    def late_words(self) -> str:
        """That it is late, which dates it is about and when it was made; "" where it is in time."""
        if not self.late:
            return ""
        made = self.speech.moment(self.made_at, ZoneInfo(self.zone), year=True)
        return self.speech.text("late", period=self.period, made=made)

    @property
    def title(self) -> str:
        """Return "Acme Support: daily, 27 Nov", fit for a subject."""
        speech = self.speech
        dates = speech.dates(self.since, self.until, ZoneInfo(self.zone))
        told = speech.text("title", service=self.service, name=self.name, dates=dates)
        return speech.text("title_late", title=told) if self.late else told

    @property
    def scope(self) -> str:
        """Which queues it is about, in words."""
        if not self.queues:
            return self.speech.text("queues_all")
        key = f"queues_{'other' if len(self.queues) > 1 else 'one'}"
        return self.speech.text(key, names=", ".join(self.queues))

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept; times RFC 3339 in UTC."""
        return {
            "name": self.name,
            "service": self.service,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "zone": self.zone,
            "made_at": rfc3339(self.made_at),
            "queues": list(self.queues),
            "late": self.late,
            "headline": list(self.headline),
            "needs": [need.as_json() for need in self.needs],
            "tables": [table.as_json() for table in self.tables],
            "series": [chart.as_json() for chart in self.series],
            "empty": self.empty,
            "language": self.language,
            "texts": dict(self.texts),
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Report:
        """Read what `as_json` gave, also before it had a language. Raises `KeyError`, `TypeError`, `ValueError` for
        anything else."""
        return cls(
            name=kept["name"],
            service=kept["service"],
            since=datetime.fromisoformat(kept["since"]),
            until=datetime.fromisoformat(kept["until"]),
            zone=kept["zone"],
            made_at=datetime.fromisoformat(kept["made_at"]),
            queues=tuple(kept["queues"]),
            late=kept["late"],
            headline=tuple(kept["headline"]),
            needs=tuple(Need.of_json(need) for need in kept["needs"]),
            tables=tuple(TableOf.of_json(table) for table in kept["tables"]),
            series=tuple(Chart.of_json(chart) for chart in kept["series"]),
            empty=kept["empty"],
            language=kept.get("language", "en"),
            texts=kept.get("texts", {}),
        )
