"""Who wrote, how well we know it, and whether a machine wrote."""

from __future__ import annotations

import pytest

from intake.email.sender import Sender, automatic, identify
from tests.mail.written import parsed

OURS = ("support@example.com",)
TRUSTED = ("mx.example.com",)


def who(envelope: str = "", **fields: str | list[str] | None) -> Sender:
    return identify(parsed("Hello", **fields), envelope, OURS, TRUSTED)


def kind(envelope: str | None = "ada@customer.example", **fields: str | list[str] | None) -> str | None:
    mail = parsed("Hello", **fields)
    return automatic(mail, envelope, identify(mail, envelope or "", OURS, TRUSTED))


def test_the_address_in_from_counts_never_the_name() -> None:
    sender = who(from_='"boss@corp.example" <eve@x.example>', reply_to="other@x.example")
    assert (sender.box.address, sender.source) == ("eve@x.example", "from")


def test_without_from_the_next_best() -> None:
    assert who(from_=None, sender="s@x.example").box.address == "s@x.example"
    assert who("env@x.example", from_=None).box.address == "env@x.example"
    assert who(from_=None).source == "nobody"


def test_a_form_names_the_customer_in_reply_to() -> None:
    for program in ("support@example.com", "wordpress@shop.example", "no-reply@forms.example"):
        sender = who(from_=program, reply_to="Cleo <cleo@x.example>")
        assert (sender.box.address, sender.source) == ("cleo@x.example", "reply-to")
        assert not sender.authenticated


def test_reply_to_of_automatic_mail_isnt_believed() -> None:
    assert (
        who(from_="no-reply@x.example", reply_to="eve@x.example", auto_submitted="auto-generated").source
        == "from"
    )
    assert who(from_="support@example.com", reply_to="support@example.com").source == "from"
    assert who(from_="no-reply@x.example", reply_to="a@x.example, b@x.example").source == "from"


def test_a_google_group_names_the_writer() -> None:
    sender = who(
        from_="'Cleo' via Support <support@customer.example>",
        x_original_from="Cleo <cleo@x.example>",
        list_id="<support.customer.example>",
    )
    assert (sender.box.name, sender.box.address, sender.source) == ("Cleo", "cleo@x.example", "original-from")
    assert who(x_original_from="eve@x.example").source == "from"


PASS = "mx.example.com; dmarc=pass (p=none) header.from=customer.example"


@pytest.mark.parametrize(
    ("results", "good"),
    [
        (PASS, True),
        ("mx.example.com 1; dkim=pass header.d=customer.example", True),
        ("mx.example.com; dkim=pass (a (b) ok) header.i=@customer.example; spf=fail", True),
        ("mx.example.com; spf=pass smtp.mailfrom=bounce@customer.example", True),
        ("mx.example.com; dmarc=pass header.from=other.example", False),
        ("mx.example.com; dkim=pass header.d=other.example", False),
        ("mx.example.com; dkim=pass header.d=example", False),
        ("mx.example.com; dmarc=fail; dkim=pass header.d=customer.example", False),
        ("other.example; dmarc=pass header.from=customer.example", False),
        ("mx.example.com (other.example); none", False),
        ("", False),
        (";;;", False),
    ],
)
def test_only_a_trusted_hop_vouches(results: str, good: bool) -> None:
    assert who(authentication_results=results).authenticated is good


def test_only_the_topmost_results_count() -> None:
    assert not who(authentication_results=["other.example; dmarc=fail", PASS]).authenticated
    assert who(authentication_results=[PASS, "mx.example.com; dmarc=fail"]).authenticated


@pytest.mark.parametrize(
    "written",
    [
        ["a@customer.example", "b@customer.example"],
        "a@customer.example, b@customer.example",
        "Team: a@customer.example;",
        "a@customer.example <b@customer.example> <c@customer.example>",
    ],
)
def test_several_senders_are_never_authenticated(written: str | list[str]) -> None:
    sender = who(from_=written, authentication_results=PASS)
    assert not sender.authenticated
    assert sender.results["several_from"] is True


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"auto_submitted": "no"}, None),
        ({"auto_submitted": "no", "precedence": "bulk"}, None),
        ({"auto_submitted": "auto-replied; owner-email=x"}, "auto-reply"),
        ({"auto_submitted": "(x) Auto-Generated (y)"}, "auto-generated"),
        ({"auto_submitted": "auto-notified"}, "auto-generated"),
        ({"x_auto_response_suppress": "All"}, None),
        ({"x_autoreply": "yes"}, "auto-reply"),
        ({"x_autoreply": "no"}, None),
        ({"x_autorespond": "x"}, "auto-reply"),
        ({"precedence": "auto_reply"}, "auto-reply"),
        ({"precedence": "bulk"}, "auto-generated"),
        ({"precedence": "list"}, "list"),
        ({"list_id": "<x.example>"}, "list"),
        ({"list_unsubscribe": "<mailto:x@x.example>"}, "list"),
        ({"subject": "Automatic reply: Printer"}, "auto-reply"),
        ({"subject": "Out of Office"}, "auto-reply"),
        ({"subject": "Abwesenheitsnotiz: Urlaub"}, "auto-reply"),
        ({"subject": "自動応答: x"}, "auto-reply"),
        ({"subject": "Out of office printer is broken"}, None),
        ({"subject": "Re: Out of Office"}, None),
        ({"subject": "Autor gesucht"}, None),
        ({"subject": "Auto: Motor kaputt"}, None),
        ({"subject": "Auto: Re: Printer"}, "auto-reply"),
        ({"subject": "Auto reply: Printer"}, "auto-reply"),
        ({"subject": "OOO: until Monday"}, "auto-reply"),
        ({"subject": "Răspuns automat: Imprimantă"}, "auto-reply"),
        ({"subject": "Trả lời tự động: máy in"}, "auto-reply"),
        ({"subject": "תשובה אוטומטית: מדפסת"}, "auto-reply"),
        ({"subject": "رد تلقائي: طابعة"}, "auto-reply"),
        ({"from_": "no-reply@x.example"}, "auto-generated"),
        ({"from_": "noreply@x.example", "reply_to": "cleo@x.example"}, None),
        ({"from_": "Postmaster <postmaster@x.example>"}, "auto-generated"),
        (
            {"content_type": "multipart/report; report-type=disposition-notification; boundary=x"},
            "auto-reply",
        ),
    ],
)
def test_automatic(fields: dict[str, str], expected: str | None) -> None:
    assert kind(**fields) == expected


def test_the_null_sender_is_a_machine() -> None:
    assert kind("") == "auto-generated"
    assert kind("<>") == "auto-generated"
    assert kind(None, return_path="<>") == "auto-generated"
    assert kind(None) is None
    assert kind("ada@customer.example", return_path="<>") is None, "Return-Path in DATA isn't the envelope"


def test_a_person_behind_a_group_is_a_person() -> None:
    fields = {
        "from_": "'C' via S <s@x.example>",
        "x_original_from": "c@y.example",
        "list_id": "<s.x.example>",
    }
    assert kind(**fields, precedence="list") is None


MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.7) smtp.mailfrom=customer.example; dkim=pass (signature was verified) "
    "header.d=customer.example;dmarc=pass action=none header.from=customer.example;compauth=pass reason=100"
)


@pytest.mark.parametrize(
    ("trusted", "results", "proven"),
    [
        (("microsoft365",), MICROSOFT, True),
        (("microsoft365",), MICROSOFT.replace("=pass", "=fail"), False),
        (("microsoft365",), PASS, False),  # it names a server that nobody trusts
        (("microsoft365",), f"microsoft365; {MICROSOFT}", True),
        (TRUSTED, MICROSOFT, False),
        ((), MICROSOFT, False),
    ],
)
def test_results_that_name_no_server_are_believed_where_that_is_said(
    trusted: tuple[str, ...], results: str, proven: bool
) -> None:
    mail = parsed("Hello", from_="ada@customer.example", authentication_results=results)
    assert identify(mail, "", OURS, trusted).authenticated == proven
