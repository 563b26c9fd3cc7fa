"""The few kinds of rules in which `block_shapes.py` says what Block Kit allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.shapes import Json

MANY = 1_000_000


@dataclass(frozen=True)
class Problem:
    """One thing that's wrong, in the shape in which `blocks.validate` answers it."""

    code: str
    message: str
    field: str
    pointer: str
    constraint: str


@dataclass(frozen=True)
class Size:
    least: int = 0
    most: int = MANY


@dataclass(frozen=True)
class Text:
    """A text object."""

    size: Size
    kinds: tuple[str, ...] = ("plain_text", "mrkdwn")


@dataclass(frozen=True)
class Word:
    """A string, or one of a few."""

    size: Size = Size()
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    least: float = -MANY * MANY
    most: float = MANY * MANY


@dataclass(frozen=True)
class Any_:
    """Whatever it is."""


@dataclass(frozen=True)
class Each:
    """A list: how many, of which types, and the rule for each."""

    item: Rule | None = None
    size: Size = Size()
    kinds: tuple[str, ...] = ()


Rule = Text | Word | Number | Any_ | Each | str


@dataclass(frozen=True)
class Shape:
    """An object: its fields, those that must be there, and a rule over several of them."""

    fields: dict[str, Rule]
    required: tuple[str, ...] = ()
    also: Callable[[Json, str], Iterable[Problem]] | None = None
    open: bool = False


def text(most: int, least: int = 1) -> Text:
    return Text(Size(least, most))


def plain(most: int, least: int = 1) -> Text:
    return Text(Size(least, most), ("plain_text",))


def marked(most: int, least: int = 1) -> Text:
    return Text(Size(least, most), ("mrkdwn",))


def word(most: int = MANY, least: int = 0) -> Word:
    return Word(Size(least, most))


def one_of(*values: str) -> Word:
    return Word(of=values)


def each(item: Rule | None, most: int = MANY, least: int = 0, kinds: tuple[str, ...] = ()) -> Each:
    return Each(item, Size(least, most), kinds)


def exactly_one(*names: str, constraint: str) -> Callable[[Json, str], Iterable[Problem]]:
    """Just one of these fields."""

    def check(value: Json, pointer: str) -> Iterable[Problem]:
        if sum(value.get(name) is not None for name in names) != 1:
            said = f"must have exactly one of: {', '.join(names)}"
            yield Problem("exclusive", said, names[0], pointer, constraint)

    return check


def any_of(*names: str, constraint: str) -> Callable[[Json, str], Iterable[Problem]]:
    """At least one of these fields."""

    def check(value: Json, pointer: str) -> Iterable[Problem]:
        if not any(value.get(name) for name in names):
            said = f"must define one of: {', '.join(names)}"
            yield Problem("missing", said, names[0], pointer, constraint)

    return check


ANY: Any_ = Any_()
NOTHING: dict[str, Any] = {}
