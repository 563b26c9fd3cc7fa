"""Where mails lie in an archive, and the order in which they are taken in."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from intake.email.import_order import Order
from intake.email.import_sources import Place, Unfit, mail_of, places
from tests.mail.written import mail

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FROM = b"From ada@customer.example Mon May  4 08:00:00 2026\n"


def found(*paths: Path, scratch: Path) -> tuple[list[Place], list[Unfit]]:
    scratch.mkdir(exist_ok=True)
    everything = list(places(paths, scratch))
    return [x for x in everything if isinstance(x, Place)], [x for x in everything if isinstance(x, Unfit)]


def mbox(path: Path, *mails: bytes, begin: bytes = FROM, crlf: bool = False) -> Path:
    whole = b"".join(begin + raw + b"\n" for raw in mails)
    path.write_bytes(whole.replace(b"\n", b"\r\n") if crlf else whole)
    return path


@pytest.mark.parametrize("crlf", [False, True])
def test_an_mbox_gives_back_the_mails_that_were_put_in(tmp_path: Path, crlf: bool) -> None:
    one, two = mail("Hello\n"), mail("Second\n\nparagraph\n", message_id="<2@customer.example>")
    path = mbox(tmp_path / "box", one, two, crlf=crlf)
    mails, unfit = found(path, scratch=tmp_path / "s")
    assert not unfit
    assert [mail_of(place).replace(b"\r\n", b"\n") for place in mails] == [one, two]
    assert mails[0].arrived == datetime(2026, 5, 4, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "From the beginning it was broken.",
        "From here to Oct 12 10:30 2026",  # a date, but no field below it
        "From nobody at all",
    ],
)
def test_a_from_line_in_a_body_begins_no_mail(tmp_path: Path, line: str) -> None:
    body = f"Dear desk,\n\n{line}\nand so on.\n"
    mails, _ = found(mbox(tmp_path / "box", mail(body)), scratch=tmp_path / "s")
    (place,) = mails
    assert mail_of(place) == mail(body)


def test_a_writer_that_leaves_no_empty_line(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(FROM + mail("one\n") + FROM + mail("two\n"))
    mails, _ = found(tmp_path / "box", scratch=tmp_path / "s")
    assert [mail_of(place) for place in mails] == [mail("one\n"), mail("two\n")]


def test_quoted_from_lines_are_as_they_were(tmp_path: Path) -> None:
    path = mbox(tmp_path / "box", mail("a\n\n>From x\n>>From y\n> From z\n"))
    mails, _ = found(path, scratch=tmp_path / "s")
    assert mail_of(mails[0]) == mail("a\n\nFrom x\n>From y\n> From z\n")


@pytest.mark.parametrize(
    "begin",
    [
        b"From - Mon May  4 08:00:00 2026\n",
        b"From 1783@xxx Mon May 04 08:00:00 +0000 2026\n",
        b"From ada at customer.example  Mon May  4 08:00:00 2026\n",
        b"From ada@customer.example Mon May  4 08:00 CEST 2026\n",
    ],
)
def test_from_lines_of_several_programs(tmp_path: Path, begin: bytes) -> None:
    path = mbox(tmp_path / "box", mail(), mail("2\n"), begin=begin)
    mails, _ = found(path, scratch=tmp_path / "s")
    assert [mail_of(place) for place in mails] == [mail(), mail("2\n")]


def test_what_a_program_kept_for_itself_or_counts_as_deleted(tmp_path: Path) -> None:
    own = mail(subject="DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA")
    path = mbox(tmp_path / "box", own, mail(x_mozilla_status="0009"), mail(x_mozilla_status="0001"))
    mails, _ = found(path, scratch=tmp_path / "s")
    assert [place.skip for place in mails] == ["the folder's own data", "deleted there", None]


def test_a_line_without_end_and_a_mail_without_body(tmp_path: Path) -> None:
    long = mail("x" * 200_000 + "\nFrom me\n")
    path = mbox(tmp_path / "box", long, b"Subject: only this\n", mail())
    mails, _ = found(path, scratch=tmp_path / "s")
    assert [mail_of(place) for place in mails] == [long, b"Subject: only this\n", mail()]


def test_folders_of_everything(tmp_path: Path) -> None:
    top = tmp_path / "archive"
    for box in ("Mail", "Mail/.Sub.Folder"):
        for name in ("cur", "new", "tmp"):
            (top / box / name).mkdir(parents=True)
    (top / "Mail/cur/1700000000.M1.host:2,S").write_bytes(mail("cur\n"))
    (top / "Mail/cur/1700000000.M2.host:2,ST").write_bytes(mail("gone\n"))
    (top / "Mail/new/1700000001.M3.host").write_bytes(mail("new\n"))
    (top / "Mail/tmp/1700000002.M4.host").write_bytes(mail("half\n"))
    (top / "Mail/.Sub.Folder/cur/1700000003.M5.host:2,").write_bytes(mail("sub\n"))
    (top / "Mail/dovecot-uidlist").write_bytes(b"3 V1 N4\n")
    (top / "deep/er").mkdir(parents=True)
    (top / "deep/er/one.eml").write_bytes(mail("eml\n"))
    (top / "deep/er/17").write_bytes(mail("mh\n"))
    (top / "deep/er/notes.txt").write_bytes(b"Remember: milk\n")
    (top / "deep/er/apple.emlx").write_bytes(
        b"%d   \n" % len(mail("apple\n")) + mail("apple\n") + b"<plist/>"
    )
    (top / "old.mbox.gz").write_bytes(gzip.compress(FROM + mail("packed\n") + b"\n"))
    (top / "broken.gz").write_bytes(gzip.compress(FROM + mail())[:-20])
    mbox(top / "Inbox", mail("mbox\n"))
    mails, unfit = found(top, scratch=tmp_path / "s")
    bodies = sorted(
        mail_of(place).partition(b"\n\n")[2].decode().strip() for place in mails if not place.skip
    )
    assert bodies == ["apple", "cur", "eml", "mbox", "mh", "new", "packed", "sub"]
    assert [place.skip for place in mails if place.skip] == ["deleted there"]
    assert {(one.shown.name, one.skipped) for one in unfit} == {("notes.txt", True), ("broken.gz", False)}
    assert {place.shown.name for place in mails if place.mbox} == {"Inbox", "old.mbox.gz"}


def test_a_file_somebody_names_is_taken_for_a_mail(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"\n")
    (tmp_path / "x.bin").write_bytes(b"\x00\x01")
    mails, unfit = found(tmp_path / "empty.eml", tmp_path / "x.bin", scratch=tmp_path / "s")
    assert [place.shown.name for place in mails] == ["x.bin"]
    assert [(one.reason, one.skipped) for one in unfit] == [("is empty", False)]


def ordered(folder: Path, *mails: bytes) -> list[str]:
    order = Order(NOW)
    for number, raw in enumerate(mails):
        path = folder / f"{number}.eml"
        path.write_bytes(raw)
        (place,) = [x for x in places((path,), folder) if isinstance(x, Place)]
        order.add(place)
    assert order.arrange() == len(mails)
    names = [place.shown.stem for place in order.mails()]
    order.close()
    return names


def test_answers_come_after_what_they_answer(tmp_path: Path) -> None:
    """The last two were written by clocks that were years slow."""
    late = mail(message_id="<a@x>", date="Tue, 5 May 2026 10:00:00 +0000")
    early = mail(message_id="<0@x>", date="Mon, 4 May 2026 10:00:00 +0000")
    answer = mail(message_id="<b@x>", in_reply_to="<a@x>", date="Thu, 1 Jan 2004 00:00:00 +0000")
    again = mail(message_id="<c@x>", references="<a@x> <b@x>", date="Thu, 1 Jan 2004 00:00:00 +0000")
    assert ordered(tmp_path, again, answer, late, early) == ["3", "2", "1", "0"]


def test_mails_that_answer_each_other_and_dates_that_make_no_sense(tmp_path: Path) -> None:
    one = mail(message_id="<a@x>", in_reply_to="<b@x>", date="Mon, 4 May 2026 10:00:00 +0000")
    two = mail(message_id="<b@x>", in_reply_to="<a@x>", date="Mon, 4 May 2026 11:00:00 +0000")
    future = mail(message_id="<c@x>", date="Mon, 4 May 2099 11:00:00 +0000")
    assert sorted(ordered(tmp_path, one, two, future, mail(date=None), mail(date="yesterday"))) == list(
        "01234"
    )
