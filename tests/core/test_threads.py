"""Which ticket a message belongs to, and who may write there: pure tables."""

from __future__ import annotations

import pytest

from core.shapes import Evidence, Ref
from core.threads import Found, KnownLinks, LinkFact, admission, which_ticket


def ref(name: str) -> Ref:
    return Ref(f"mail:support:{name}", f"mail:{name}")


KNOWN = KnownLinks(
    links={
        "mail:support:theirs": LinkFact("received", 1, 10),
        "mail:ours": LinkFact("sent", 2, 20),
        "mail:support:mentioned": LinkFact("referenced", 3, None),
        "mail:support:gone": LinkFact("tombstone", None, None),
        "mail:support:both": LinkFact("received", 4, 40),
        "mail:both": LinkFact("sent", 5, 50),
        "mail:elsewhere": LinkFact("received", 6, 60),
        "mail:card": LinkFact("card", 8, None),
    },
    tickets=frozenset({1, 2, 3, 7}),
    answered=6,
    recent=9,
)


@pytest.mark.parametrize(
    ("evidence", "ticket", "because", "proof"),
    [
        (Evidence(), None, "", False),
        (Evidence(signed=(7,)), 7, "signed address", True),
        (Evidence(signed=(99, 7)), 7, "signed address", True),
        (Evidence(signed=(99,)), None, "", False),
        (Evidence(signed=(7,), references=(ref("ours"),), tagged=1), 7, "signed address", True),
        (Evidence(signed=(7,), delivery=5), 7, "signed address", True),
        (Evidence(delivery=5, references=(ref("ours"),)), 6, "signed bounce address", True),
        (Evidence(references=(ref("theirs"),)), 1, "reference (received)", False),
        (Evidence(references=(ref("ours"),)), 2, "reference (sent)", True),
        (Evidence(references=(ref("card"),)), 8, "reference (card)", True),
        (Evidence(references=(ref("mentioned"),)), 3, "reference (referenced)", False),
        (Evidence(references=(ref("unknown"), ref("gone"), ref("ours"), ref("theirs"))), 2, "reference (sent)", True),
        (Evidence(references=(ref("both"),)), 4, "reference (received)", False),
        (Evidence(references=(ref("elsewhere"),)), None, "", False),
        (Evidence(references=(ref("theirs"),), tagged=7), 1, "reference (received)", False),
        (Evidence(tagged=7), 7, "subject tag", False),
        (Evidence(tagged=99), None, "", False),
        (Evidence(tagged=7, conversation="T1/D1"), 7, "subject tag", False),
        (Evidence(conversation="T1/D1"), 9, "same conversation", False),
    ],
)  # fmt: skip
def test_rules_in_their_order(evidence: Evidence, ticket: int | None, because: str, proof: bool) -> None:
    """Signed addresses, references (nearest first, own queue before what we sent), tag, place."""
    found = which_ticket(evidence, KNOWN)
    if ticket is None:
        assert found is None
    else:
        assert found == Found(ticket_id=ticket, because=because, proof=proof)


SIGNED = Found(ticket_id=1, because="signed address", proof=True)
REFERENCE = Found(ticket_id=1, because="reference (sent)", proof=True)
BOUNCE = Found(ticket_id=1, because="signed bounce address", proof=True)
TAG = Found(ticket_id=1, because="subject tag", proof=False)


@pytest.mark.parametrize(
    ("found", "facts", "how"),
    [
        (None, {}, "new"),
        (None, {"staff": True}, "new"),
        (None, {"desk": True, "staff": True}, "ignore"),
        (None, {"desk": True}, "ignore"),
        (REFERENCE, {"desk": True, "staff": True}, "staff"),
        (REFERENCE, {"desk": True}, "refuse"),
        (REFERENCE, {"desk": True, "takes_part": True}, "refuse"),  # a requester in the triage channel
        (SIGNED, {"takes_part": True}, "join"),
        (TAG, {"takes_part": True}, "join"),
        (SIGNED, {}, "outsider"),
        (BOUNCE, {}, "outsider"),
        (BOUNCE, {"takes_part": True}, "join"),
        (REFERENCE, {}, "new"),
        (TAG, {}, "new"),
        (REFERENCE, {"in_place": True}, "outsider"),
        (SIGNED, {"staff": True}, "staff"),
        (TAG, {"staff": True}, "staff"),
        (SIGNED, {"staff": True, "claims_staff": True, "takes_part": True}, "staff"),
        (SIGNED, {"staff": True, "claims_staff": True, "takes_part": True, "own": True}, "join"),
        (SIGNED, {"claims_staff": True, "takes_part": True}, "outsider"),
        (TAG, {"claims_staff": True}, "outsider"),
        (SIGNED, {"claims_staff": True, "takes_part": True, "own": True}, "join"),
        (SIGNED, {"takes_part": True, "too_old": True}, "new"),
        (SIGNED, {"takes_part": True, "too_old": True, "automatic": True}, "join"),
        (SIGNED, {"too_old": True}, "outsider"),
        (SIGNED, {"staff": True, "too_old": True}, "staff"),
        (SIGNED, {"private": True, "staff": True, "own": True}, "staff"),
        (SIGNED, {"private": True, "takes_part": True}, "outsider"),
        (SIGNED, {"private": True, "takes_part": True, "claims_staff": True, "own": True}, "outsider"),
        (SIGNED, {"private": True}, "outsider"),
        (REFERENCE, {"forwards": True, "staff": True}, "new"),
        (TAG, {"forwards": True, "staff": True}, "new"),
        (SIGNED, {"forwards": True, "staff": True}, "staff"),
    ],
)
def test_admission(found: Found | None, facts: dict[str, bool], how: str) -> None:
    """Somebody who takes part joins, staff write as staff, others are outsiders or open a ticket of their own."""
    values = {"takes_part": False, "staff": False, "desk": False, "in_place": False, **facts}
    decision = admission(found, **values)
    assert decision.how == how
    assert decision.because
    if found is not None:
        assert decision.ticket_id == found.ticket_id


def test_only_who_would_have_joined_is_too_late() -> None:
    """`too_old` marks the message of a participant alone: theirs goes on in a ticket that follows."""
    late = admission(SIGNED, takes_part=True, staff=False, desk=False, in_place=False, too_old=True)
    assert late.too_old
    assert "closed too long ago" in late.because
    stranger = admission(TAG, takes_part=False, staff=False, desk=False, in_place=False, too_old=True)
    assert not stranger.too_old


def test_a_ticket_of_another_queue_is_only_the_last_resort() -> None:
    """A mail forwarded to another queue opens a ticket there; one that also answers this queue's ticket joins that."""
    known = KnownLinks(links=KNOWN.links, tickets=KNOWN.tickets, elsewhere=frozenset({2}))
    found = which_ticket(Evidence(references=(ref("ours"),)), known)
    assert found is not None
    assert (found.ticket_id, found.elsewhere) == (2, True)
    decided = admission(found, takes_part=True, staff=False, desk=False, in_place=False)
    assert (decided.how, decided.ticket_id) == ("new", 2)
    both = which_ticket(Evidence(references=(ref("ours"), ref("theirs"))), known)
    assert both is not None
    assert (both.ticket_id, both.elsewhere) == (1, False)
    tagged = which_ticket(Evidence(references=(ref("ours"),), tagged=7), known)
    assert tagged is not None
    assert tagged.ticket_id == 7
