"""Address fields as real mail has them."""

from __future__ import annotations

import pytest

from intake.email.mailboxes import is_plain_single, read_mailboxes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@x.example", [("", "ada@x.example")]),
        ("Ada <ADA@X.example>", [("Ada", "ada@x.example")]),
        ('"Lovelace, Ada" <ada@x.example>', [("Lovelace, Ada", "ada@x.example")]),
        ("Lovelace, Ada <ada@x.example>", [("Lovelace, Ada", "ada@x.example")]),
        ("Max | [x] <a@b.example>", [("Max | [x]", "a@b.example")]),
        ("Max <max <a@b.example>", [("Max", "a@b.example")]),
        ("ada@x.example (Ada L)", [("Ada L", "ada@x.example")]),
        ("=?utf-8?q?J=C3=B6rg?= <j@x.example>", [("Jörg", "j@x.example")]),
        ('"=?utf-8?q?J=C3=B6rg?=" <j@x.example>', [("Jörg", "j@x.example")]),
        (
            "=?utf-8?q?boss=40corp_=3Cboss=40corp=3E?= <e@x.example>",
            [("boss@corp <boss@corp>", "e@x.example")],
        ),
        (
            "a@x.example, b@y.example; c@z.example",
            [("", f"{n}@{n2}.example") for n, n2 in ("ax", "by", "cz")],
        ),
        ("Team: a@x.example, b@y.example;", [("", "a@x.example"), ("", "b@y.example")]),
        ("undisclosed-recipients:;", []),
        ("<>", []),
        ("", []),
        ("Max", []),
        ("<mailto:a@b.example>", [("", "a@b.example")]),
        ("<@relay.example:a@b.example>", [("", "a@b.example")]),
        ("a@b.example.", [("", "a@b.example")]),
        ("'Ada' <a@b.example>", [("Ada", "a@b.example")]),
        ('"Ada <a@b.example>', [("Ada", "a@b.example")]),
        ("A\x00da\r\n <a@b.example>", [("A da", "a@b.example")]),
        ("用户@例え.example", [("", "用户@例え.example")]),
        ("x" * 400 + "@b.example", []),
    ],
)
def test_mailboxes(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(box.name, box.address) for box in read_mailboxes(text)] == expected


@pytest.mark.parametrize(
    "text", ["(" * 60_000, '"' * 60_001, "<" * 60_000, "a@b," * 15_000, ":" * 60_000, "\\" * 60_000]
)
def test_nothing_is_too_odd(text: str) -> None:
    assert len(read_mailboxes(text)) <= 500


def test_one_plain_mailbox() -> None:
    assert is_plain_single("Ada <ada@x.example>")
    assert is_plain_single('"Ada: <x>" <ada@x.example>')
    assert not is_plain_single("a@x.example, b@x.example")
    assert not is_plain_single("Group: a@x.example;")
    assert not is_plain_single("Max <max@x.example> <a@b.example>")
