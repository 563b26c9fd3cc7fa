"""What a mail says about its ticket."""

from __future__ import annotations

from core.shapes import Ref
from intake.email.evidence import read_evidence, referenced_ids
from tests.mail.written import SIGNER, parsed

SIGNED = SIGNER.reply_address("support@example.com", 12)


def test_signed_addresses_of_envelope_and_fields() -> None:
    other = SIGNER.reply_address("support@example.com", 13)
    found = read_evidence(parsed(cc=SIGNED, delivered_to=other), [SIGNED.upper()], "support", SIGNER)
    assert found.signed == (12, 13)


def test_a_wrong_signature_names_nothing() -> None:
    assert read_evidence(parsed(to=SIGNED.replace("+t12", "+t13")), [], "support", SIGNER).signed == ()


def test_references_nearest_first() -> None:
    mail = parsed(in_reply_to="<c@x>", references="<a@x> <b@x>\r\n <c@x>")
    assert read_evidence(mail, [], "support", SIGNER).references == tuple(
        Ref(f"mail:support:{name}", f"mail:{name}") for name in ("c@x", "b@x", "a@x")
    )


def test_odd_references() -> None:
    assert referenced_ids(parsed(in_reply_to="message of Monday <a@x>")) == ("a@x",)
    assert referenced_ids(parsed(in_reply_to="a@x")) == ("a@x",)
    assert referenced_ids(parsed(in_reply_to="", references="<>")) == ()
    assert referenced_ids(parsed(references="<1@customer.example> <a@x>")) == ("a@x",), "never itself"
    assert referenced_ids(parsed(in_reply_to="<[a]@x>")) == ("[a]@x",)


def test_references_are_bounded_to_the_nearest() -> None:
    names = referenced_ids(parsed(references=" ".join(f"<{n}@x>" for n in range(500))))
    assert len(names) == 100
    assert names[0] == "499@x"


def test_the_number_in_the_subject() -> None:
    assert read_evidence(parsed(subject="Re: [#123] Printer"), [], "support", SIGNER).tagged == 123
    for subject in ("#123", "[#0123]", "[# 123]", "[TICKET-123]"):
        assert read_evidence(parsed(subject=subject), [], "support", SIGNER).tagged is None
