"""The mails that were answered, as proof of what is quoted: their words are found in the answer whatever a program
made of their lines. Pure, linear."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from intake.email import separators as sep
from intake.email.html import HISTORY
from intake.email.marker import is_marker

_SEARCHED: Final = 400_000  # characters of an answer
_ALIGNED: Final = 20_000  # lines of an answer
_LONGEST_MARK: Final = 48  # characters of a line that are looked for
_MOST_MARKS: Final = 10  # lines of one mail
_MOST_PARENTS: Final = 5
_LONGEST_PARENT: Final = 65_536
_LOOKUPS: Final = 300  # lines that are looked for anywhere in the mails
_SHORTEST_PIECE: Final = 8  # characters of a line that is part of a longer one
_MOST_PLACES: Final = 8  # of the same line
_MOST_PENDING: Final = 50
_ADDED: Final = re.compile(r"<[^<>\s]{1,500}>|\[(?:cid:|image)[^\[\]]{0,200}\]")  # links and pictures
# Programs change bullets, quotes and dashes.
_PUNCTUATION: Final = str.maketrans("", "", "-*•·–—'\"’‘“”„«»_~=|<>")


def bare(line: str) -> str:
    """Return the line without white space and quote marks, lower case: so wrapping changes nothing."""
    return "".join(line.lstrip("> \t*").split()).lower()


def bare_text(text: str) -> str:
    """Return the whole text as `bare` makes its lines."""
    return "".join(bare(line) for line in text.split("\n"))


def _key(line: str) -> str:
    if "<" in line or "[" in line:
        line = _ADDED.sub("", line[:20_000])
    return bare(sep.plain(line[:20_000])).translate(_PUNCTUATION)


class _Place(NamedTuple):
    """Where a line stands: in which mail, from which character of its keys to which."""

    mail: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A known mail that stands in lines which nothing marks as quoted. `pieces`: its lines that were found."""

    start: int
    end: int
    pieces: int


class _Mails:
    """The lines of the known mails, to find those of an answer in."""

    def __init__(self, parents: tuple[str, ...]) -> None:
        self.texts: list[str] = []
        self._lines: dict[str, list[_Place]] = {}
        self._ends: list[dict[int, int]] = []  # where the line ends that begins at a character
        for mail, parent in enumerate(parents[:_MOST_PARENTS]):
            at, keys, ends = 0, [], {}
            for line in parent[:_LONGEST_PARENT].split("\n"):
                if key := _key(line):
                    keys.append(key)
                    ends[at] = at + len(key)
                    places = self._lines.setdefault(key, [])
                    if len(places) < _MOST_PLACES:
                        places.append(_Place(mail, at, at + len(key)))
                    at += len(key)
            self.texts.append("".join(keys))
            self._ends.append(ends)

    def align(self, lines: list[str]) -> list[_Place | None]:
        """Return for each line where it stands in a mail, the one that goes on where the last one ended first."""
        keys = [_key(line) for line in lines[:_ALIGNED]]
        found: list[_Place | None] = [None] * len(lines)
        reached: dict[int, int] = {}  # how far each mail has been found
        current, lookups = -1, _LOOKUPS
        for index, key in enumerate(keys):
            if not key:
                continue
            place = self._going_on(key, reached, current)
            if place is None and key in self._lines:
                follower = next((k for k in keys[index + 1 : index + 6] if k), "")
                place = self._nearest(key, follower, reached, current)
            if place is None and len(key) >= _SHORTEST_PIECE and lookups:
                lookups -= 1
                place = self._anywhere(key)
            if place is not None:
                found[index] = place
                current = place.mail
                reached[current] = place.end
        return found

    def _going_on(self, key: str, reached: dict[int, int], current: int) -> _Place | None:
        for mail in sorted(reached, key=lambda mail: mail != current):
            if self.texts[mail].startswith(key, reached[mail]):
                return _Place(mail, reached[mail], reached[mail] + len(key))
        return None

    def _nearest(self, key: str, follower: str, reached: dict[int, int], current: int) -> _Place:
        places = self._lines[key]
        after = [p for p in places if p.mail == current and p.start >= reached[current]]
        followed = [p for p in places if follower and self.texts[p.mail].startswith(follower, p.end)]
        return next(iter(after or followed or places))

    def _anywhere(self, key: str) -> _Place | None:
        for mail, text in enumerate(self.texts):
            at = text.find(key)
            if at >= 0:
                return _Place(mail, at, at + len(key))
        return None

    def extended(self, key: str, last: _Place | None) -> bool:
        """Say whether the line is a whole one of a mail and more: an answer in the line of its question."""
        begins = [(last.mail, last.end)] if last else [(mail, 0) for mail in range(len(self.texts))]
        for mail, start in begins:
            end = self._ends[mail].get(start, 0)
            if end - start >= _SHORTEST_PIECE and key.startswith(self.texts[mail][start:end]):
                return len(key) > end - start
        return False


class Known:
    """The texts that an answer may quote, latest first, and where in its lines they stand."""

    def __init__(self, lines: list[str], parents: tuple[str, ...]) -> None:
        self._lines = lines
        self._parents = parents
        self._offsets: list[int] = []
        self._found: list[tuple[int, list[int]]] = []  # marks of a mail, where they last stand
        self._mails: _Mails | None = None
        self._at: list[_Place | None] = []
        if parents:
            self._search(parents)

    def _search(self, parents: tuple[str, ...]) -> None:
        pieces = [bare(line) for line in self._lines]
        total = 0
        for piece in pieces:
            self._offsets.append(total)
            total += len(piece)
        whole = "".join(pieces)[:_SEARCHED]
        for parent in parents[:_MOST_PARENTS]:
            if marks := _marks(parent[:_LONGEST_PARENT]):
                self._found.append((len(marks), [at for mark in marks if (at := whole.rfind(mark)) >= 0]))

    def __bool__(self) -> bool:
        return bool(self._found)

    def quoted_from(self, index: int) -> bool:
        """Say whether half of one of the mails stands from this line on (true where there is none to compare)."""
        offset = self._offsets[index] if index < len(self._offsets) else 1 << 60
        return not self._found or any(
            sum(place >= offset for place in places) * 2 >= marks for marks, places in self._found
        )

    # --- line by line ---------------------------------------------------------------------------------------------

    def _aligned(self) -> tuple[_Mails, list[_Place | None]]:
        if self._mails is None:
            self._mails = _Mails(self._parents)
            self._at = self._mails.align(self._lines)
        return self._mails, self._at

    def stands(self, index: int) -> bool:
        """Say whether the line stands in one of the mails."""
        return bool(self) and self._aligned()[1][index] is not None

    def covered(self, start: int, stop: int) -> bool:
        """Say whether at least half of one mail stands in these lines."""
        mails, at = self._aligned()
        found: dict[int, int] = {}
        for place in at[start:stop]:
            if place is not None:
                found[place.mail] = found.get(place.mail, 0) + place.end - place.start
        return any(count * 2 >= len(mails.texts[mail]) for mail, count in found.items())

    def answered_inside(self, start: int, stop: int | None = None) -> bool:
        """Say whether somebody wrote between the lines of a known mail that stands from `start` on, or behind one."""
        if not self:
            return False
        mails, at = self._aligned()
        last: _Place | None = None
        pending: list[str] = []
        for index in range(start, len(at) if stop is None else stop):
            place = at[index]
            if place is not None:
                between = pending and last is not None and last.mail == place.mail
                if between and last and place.start >= last.end:
                    gap = mails.texts[place.mail][last.end : place.start]
                    if any(not _altered(key, gap) for key in pending):
                        return True
                pending, last = [], place
            elif (key := _own(self._lines[index])) and len(pending) < _MOST_PENDING:
                if mails.extended(key, last) and "http" not in key:
                    return True
                pending.append(key)
        return False

    def end(self, start: int) -> int | None:
        """Return the line after the known mail that stands from `start` on, None where none does."""
        mails, at = self._aligned()
        last: _Place | None = None
        end, foreign = None, False
        for index in range(start, len(at)):
            place = at[index]
            if place is not None:
                goes_on = last is not None and last.mail == place.mail and place.start >= last.end
                if foreign and last is not None and not goes_on:
                    break
                last, end, foreign = place, index + 1, False
            elif key := _own(self._lines[index]):
                rest = mails.texts[last.mail][last.end : last.end + 2 * len(key) + 20] if last else ""
                if last is not None and not foreign and _altered(key, rest):
                    end = index + 1
                else:
                    foreign = True
        return end

    def copy(self, skipped: list[bool]) -> Copy | None:
        """Return the first known mail of which half stands in lines that aren't `skipped` (marked as quoted)."""
        if not self:
            return None
        mails, at = self._aligned()
        first, last, end, pieces, chars = 0, None, 0, 0, 0
        best: Copy | None = None
        pending: list[str] = []
        for index, place in enumerate(at):
            if place is None or skipped[index]:
                if skipped[index]:
                    last = None
                elif (key := _own(self._lines[index])) and len(pending) < _MOST_PENDING:
                    pending.append(key)
                continue
            if (
                last is None
                or place.mail != last.mail
                or place.start < last.end
                or not self._joins(mails.texts[place.mail][last.end : place.start], pending)
            ):
                if best is not None:
                    break
                first, pieces, chars = index, 0, 0
            last, end, pending = place, index + 1, []
            pieces += 1
            chars += place.end - place.start
            if chars * 2 >= len(mails.texts[place.mail]):
                best = Copy(first, end, pieces)
        return best

    @staticmethod
    def _joins(gap: str, pending: list[str]) -> bool:
        return all(_altered(key, gap) for key in pending)


def _own(line: str) -> str:
    """Return the key of a line that somebody may have written; '' for what turning a mail into text adds."""
    if line == HISTORY or is_marker(line):
        return ""
    words = bare(line)
    if not words or words[0] + words[-1] in ("[]", "<>") or not words.strip("-_=*~#|."):
        return ""
    return _key(line)


def _altered(key: str, theirs: str) -> bool:
    """Say whether the line is what a program made of these words of a mail: most of it is in them, and no more."""
    if "http" in key and "http" in theirs:
        return True  # a relay writes links anew
    if not theirs or len(key) > len(theirs) * 1.15 + 3:
        return False
    pairs = [key[at : at + 3] for at in range(min(len(key), 300) - 2)] or [key]
    theirs = theirs[:4_000]
    return sum(pair in theirs for pair in pairs) * 10 >= len(pairs) * 6


def _marks(parent: str) -> list[str]:
    """The lines of a mail that tell it from others: long ones if it has them."""
    lines = [words for line in parent.split("\n")[:400] if len(words := bare(line)) >= 4]
    telling = [words for words in lines if len(words) >= 20] or lines
    return [words[:_LONGEST_MARK] for words in telling[:_MOST_MARKS]]
