"""What Slack sends, to one `Inbound`: every kind of message on every side."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bot.home import ref_of, time_of
from bot.read import intent, read_event
from core.shapes import (
    File,
    Ignored,
    MessageDeleted,
    MessageEdited,
    NewMessage,
    Person,
    StaffCommand,
    Visibility,
)
from tests.bot.kit import HOME, TRIAGE

PEOPLE = {
    "UANN": Person(kind="slack", address="T1/UANN", name="Ann", email="ann@example.com", team="T1"),
    "UADA": Person(kind="slack", address="T1/UADA", name="Ada", email="ada@example.com", team="T1"),
    "UEVE": Person(kind="slack", address="T2/UEVE", name="Eve", team="T2", guest=True),
    "UBOT": Person(kind="slack", address="T1/UBOT", name="relaydesk", team="T1"),
}
FILE = File(name="a.txt", content_type="text/plain", size=1, content=b"x")


def event(text: str = "help me", *, channel: str = "D1", user: str = "UANN", **more: Any) -> dict[str, Any]:
    inner = {"type": "message", "channel": channel, "user": user, "text": text, "ts": "1700000000.000100"}
    inner["event_ts"] = inner["ts"]
    return {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event_id": "Ev1",
        "event": inner | more,
    }


def new(payload: dict[str, Any], files: tuple[File, ...] = ()) -> NewMessage:
    inbound = read_event(payload, HOME, PEOPLE, files)
    assert isinstance(inbound, NewMessage)
    return inbound


@pytest.mark.parametrize("text", [" ", "\u200b", "\u2060\ufeff"])
def test_what_nobody_sees_is_no_message(text: str) -> None:
    """A file alone says enough; its name is the title."""
    assert isinstance(read_event(event(text), HOME, PEOPLE), Ignored)
    assert new(event(text), (FILE,)).subject == "a.txt"
    assert new(event(f"{text}\nReally.")).subject == "Really."


# -- direct messages ---------------------------------------------------------------------------------------------


def test_a_direct_message_opens_a_ticket_answered_in_its_thread() -> None:
    message = new(event("The printer burns.\nReally."))
    assert message.ref == ref_of("T1", "D1", "1700000000.000100")
    assert (message.subject, message.text) == ("The printer burns.", "The printer burns.\nReally.")
    assert message.sender.place == "T1/D1#1700000000.000100"
    assert message.sender.email == "ann@example.com"
    assert message.evidence.conversation == "T1/D1"
    assert message.evidence.references == ()
    assert not message.desk
    assert message.queue == "support"
    assert message.source_time == time_of("1700000000.000100")


def test_a_reply_there_answers_its_root() -> None:
    message = new(event(thread_ts="1699999999.000100"))
    assert message.evidence.references == (ref_of("T1", "D1", "1699999999.000100"),)
    assert message.evidence.conversation is None
    assert message.sender.place == "T1/D1#1699999999.000100"


def test_a_root_that_has_replies_is_still_a_root() -> None:
    assert new(event(thread_ts="1700000000.000100")).evidence.references == ()


def test_a_file_alone_is_a_message_named_after_it() -> None:
    message = new(event("", subtype="file_share", files=[{"id": "F1"}]), (FILE,))
    assert (message.subject, message.text, message.files) == ("a.txt", "", (FILE,))


@pytest.mark.parametrize("subtype", ["file_share", "me_message", "thread_broadcast"])
def test_kinds_of_words(subtype: str) -> None:
    assert new(event(subtype=subtype)).text == "help me"


def test_a_command_is_for_staff_alone() -> None:
    assert new(event("!close")).text == "!close"


def test_an_unknown_person_counts_as_one_of_our_team_without_a_name() -> None:
    message = read_event(event(user="UNEW"), HOME)
    assert isinstance(message, NewMessage)
    assert (message.sender.address, message.sender.email) == ("T1/UNEW", None)


def test_somebody_of_another_organisation_keeps_their_team() -> None:
    assert new(event(user="UEVE")).sender.address == "T2/UEVE"


# -- triage threads ----------------------------------------------------------------------------------------------


def triage(text: str = "Turn it off", **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"channel": TRIAGE, "user": "UADA", "thread_ts": "1699999999.000100"}
    return event(text, **(given | more))


def test_an_answer_in_a_triage_thread() -> None:
    message = new(triage())
    assert message.desk
    assert message.evidence.references == (ref_of("T1", TRIAGE, "1699999999.000100"),)
    assert message.visibility is None
    assert message.queue == "support"


@pytest.mark.parametrize(
    "text",
    [
        "note: psst",
        "NOTE:psst",
        "  Note :  psst",
        "*note:* psst",
        "*note*: psst",
        "[note] psst",
        "private: psst",
        "Internal note: psst",
        "note： psst",
        "🔒 psst",
        "🔒psst",
        ":lock: psst",
        ":lock:psst",
        ":closed_lock_with_key: psst",
        "🔒\ufe0f psst",
        "\n🔐 psst",
        "&gt; note: psst",
    ],
)
def test_a_note_by_any_sign(text: str) -> None:
    message = new(triage(text))
    assert message.visibility is Visibility.NOTE
    assert message.text == "psst"


def test_a_lock_in_rich_text_is_a_note() -> None:
    section = {
        "type": "rich_text_section",
        "elements": [
            {"type": "emoji", "name": "lock", "unicode": "1f512"},
            {"type": "text", "text": " psst"},
        ],
    }
    message = new(triage(":lock: psst", blocks=[{"type": "rich_text", "elements": [section]}]))
    assert (message.visibility, message.text) == (Visibility.NOTE, "psst")


@pytest.mark.parametrize(
    "text",
    [
        "Note the deadline",
        "Notes: none",
        "a note: b",
        "private channels don't work",
        "the 🔒 sticks",
        "noted: ok",
    ],
)
def test_what_only_looks_like_a_note(text: str) -> None:
    assert intent(text) == (None, text)


def test_reply_is_public_even_where_notes_are_the_rule() -> None:
    message = new(triage("Reply: Turn it off"))
    assert (message.visibility, message.text) == (Visibility.PUBLIC, "Turn it off")


def test_a_note_without_words_is_nothing() -> None:
    assert isinstance(read_event(triage("🔒"), HOME, PEOPLE), Ignored)


def test_a_command() -> None:
    command = read_event(triage("!assign <@UADA>"), HOME, PEOPLE)
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words) == ("assign", ("ada@example.com",))
    assert command.ref == ref_of("T1", TRIAGE, "1700000000.000100")
    assert command.evidence.references == (ref_of("T1", TRIAGE, "1699999999.000100"),)
    assert command.place == f"T1/{TRIAGE}#1699999999.000100"


def test_a_command_about_no_ticket_may_be_a_direct_message() -> None:
    """Not one about a ticket, nor in a ticket's thread: those are words of a requester."""
    command = read_event(event("!digest daily"), HOME, PEOPLE)
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words, command.place) == ("digest", ("daily",), "T1/D1")
    assert isinstance(read_event(event("!close"), HOME, PEOPLE), NewMessage)
    below = event("!digest daily", thread_ts="1699999999.000100")
    assert isinstance(read_event(below, HOME, PEOPLE), NewMessage)


def test_a_command_after_a_mention_of_the_bot() -> None:
    command = read_event(triage("<@UBOT> !Status  Pending"), HOME, PEOPLE)
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words) == ("status", ("Pending",))


def test_an_edited_command_is_not_run_again() -> None:
    edit = read_event(changed("!close", triage("!clsoe")), HOME, PEOPLE)
    assert isinstance(edit, MessageEdited)
    assert (edit.command, edit.as_new) == ("close", None)


@pytest.mark.parametrize("text", ["!note psst", "<@UADA> !note psst"])
def test_an_edit_into_a_note_by_its_command(text: str) -> None:
    edit = read_event(changed(text, triage("An answer")), HOME, PEOPLE)
    assert isinstance(edit, MessageEdited)
    assert (edit.text, edit.command) == ("psst", "")
    assert edit.as_new is not None
    assert edit.as_new.visibility is Visibility.NOTE


def test_talk_in_the_triage_channel_is_no_ticket() -> None:
    assert isinstance(read_event(triage(thread_ts=None), HOME, PEOPLE), Ignored)


# -- mentions ------------------------------------------------------------------------------------------------------


def test_a_mention_elsewhere_opens_a_ticket_in_that_thread() -> None:
    message = new(event("<@UBOT> help", channel="C9"))
    assert message.text == "help"
    assert message.sender.place == "T1/C9#1700000000.000100"
    assert message.evidence.conversation is None
    assert not message.desk


def test_the_pair_of_events_for_one_mention_has_one_name() -> None:
    one, other = event("<@UBOT> help", channel="C9"), event("<@UBOT> help", channel="C9", type="app_mention")
    assert new(one).ref == new(other).ref


@pytest.mark.parametrize("channel", ["C9", "D1", TRIAGE])
def test_only_a_mention_is_nothing(channel: str) -> None:
    payload = event("<@UBOT> ", channel=channel, thread_ts="1699999999.000100")
    assert isinstance(read_event(payload, HOME, PEOPLE), Ignored)


def test_talk_elsewhere_is_nothing() -> None:
    assert isinstance(read_event(event(channel="C9"), HOME, PEOPLE), Ignored)


# -- edits and deletions -----------------------------------------------------------------------------------------


def changed(text: str, before: dict[str, Any], **more: Any) -> dict[str, Any]:
    old = before["event"]
    message = {**old, "text": text, "edited": {"user": old["user"], "ts": "1700000009.000000"}, **more}
    inner = {"type": "message", "subtype": "message_changed", "channel": old["channel"], "hidden": True}
    inner |= {
        "message": message,
        "previous_message": old,
        "ts": "1700000009.000100",
        "event_ts": "1700000009.000100",
    }
    return before | {"event": inner}


def test_an_edit() -> None:
    edit = read_event(changed("help us", event()), HOME, PEOPLE)
    assert isinstance(edit, MessageEdited)
    assert edit.ref == ref_of("T1", "D1", "1700000000.000100")
    assert edit.text == "help us"
    assert edit.source_time == time_of("1700000009.000000")
    assert edit.as_new is not None
    assert edit.as_new.source_time == time_of("1700000000.000100")


def test_an_edited_note_stays_one() -> None:
    edit = read_event(changed("note: pssst", triage("note: psst")), HOME, PEOPLE)
    assert isinstance(edit, MessageEdited)
    assert edit.text == "pssst"
    assert edit.as_new is not None
    assert edit.as_new.visibility is Visibility.NOTE


def test_changes_that_nobody_made_are_nothing() -> None:
    preview = changed("help me", event(), edited=None, attachments=[{"from_url": "https://x"}])
    same = changed("help me", event(), edited={"user": "UANN", "ts": "1700000009.000000"})
    replies = changed("help me", event(), edited=None, reply_count=1)
    for payload in (preview, same, replies):
        assert isinstance(read_event(payload, HOME, PEOPLE), Ignored)


def deleted(before: dict[str, Any]) -> dict[str, Any]:
    old = before["event"]
    inner = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": old["channel"],
        "deleted_ts": old["ts"],
    }
    inner |= {"previous_message": old, "ts": "1700000009.000100", "event_ts": "1700000009.000100"}
    return before | {"event": inner}


@pytest.mark.parametrize("before", [event(), triage()])
def test_a_deletion(before: dict[str, Any]) -> None:
    gone = read_event(deleted(before), HOME, PEOPLE)
    assert isinstance(gone, MessageDeleted)
    assert gone.ref == ref_of("T1", before["event"]["channel"], "1700000000.000100")


def test_a_tombstone_is_a_deletion() -> None:
    stone = changed("This message was deleted.", event(), subtype="tombstone", user="USLACKBOT")
    assert isinstance(read_event(stone, HOME, PEOPLE), MessageDeleted)


def test_a_deleted_post_of_ours_deletes_nobodys_message() -> None:
    """A card's link names the message that opened the ticket: it must not go with the card."""
    card = triage(user="UBOT", bot_id="BBOT", thread_ts=None)
    stone = changed("This message was deleted.", card, subtype="tombstone", user="USLACKBOT", bot_id=None)
    reply = triage(user="UBOT", bot_id="BBOT")
    for payload in (deleted(card), stone, deleted(reply), deleted(event(user="UBOT", bot_id="BBOT"))):
        assert isinstance(read_event(payload, HOME, PEOPLE), Ignored)


# -- who isn't a person --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"user": "UBOT"},
        {"bot_id": "BBOT", "user": "UX"},
        {"bot_id": "BNEW", "bot_profile": {"app_id": "A1"}},
        {"subtype": "bot_message", "bot_id": "BBOT", "username": "Ada (staff)", "user": None},
        {"bot_id": "BOTHER"},
        {"subtype": "bot_message", "bot_id": "BOTHER"},
        {"user": "USLACKBOT"},
        {"user": None},
        {"subtype": "channel_join"},
        {"subtype": "reminder_add"},
        {"subtype": "huddle_thread"},
        {"text": "", "blocks": []},
    ],
)
def test_no_person_no_message(more: dict[str, Any]) -> None:
    payloads = [event(**more), triage(**more)]
    if "blocks" not in more:
        payloads.append(changed("x", event(**more)))
    for payload in payloads:
        assert isinstance(read_event(payload, HOME, PEOPLE), Ignored)


def test_other_events_are_nothing() -> None:
    for kind in ("reaction_added", "member_joined_channel", "user_change"):
        assert isinstance(read_event(event(type=kind), HOME, PEOPLE), Ignored)
    assert isinstance(read_event({"type": "app_rate_limited"}, HOME), Ignored)
    assert isinstance(read_event({"type": "view_submission"}, HOME), Ignored)


# -- clicks --------------------------------------------------------------------------------------------------------


def click(action: dict[str, Any], **container: Any) -> dict[str, Any]:
    given = {"type": "message", "channel_id": TRIAGE, "message_ts": "1699999999.000100"} | container
    shown = {"action_ts": "1700000005.000100", "block_id": "ticket:12:4"} | action
    return {"type": "block_actions", "user": {"id": "UADA"}, "container": given, "actions": [shown]}


@pytest.mark.parametrize(
    ("action", "verb", "words"),
    [
        ({"action_id": "take", "value": "12"}, "take", ()),
        ({"action_id": "resolve", "value": "12"}, "resolve", ()),
        ({"action_id": "reopen", "value": "12"}, "reopen", ()),
        ({"action_id": "status", "selected_option": {"value": "pending"}}, "status", ("pending",)),
        ({"action_id": "retry", "value": "99", "block_id": "ticket:12:delivery:99"}, "retry", ("99",)),
    ],
)
def test_a_click_is_a_command(action: dict[str, Any], verb: str, words: tuple[str, ...]) -> None:
    command = read_event(click(action), HOME, PEOPLE)
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words, command.ticket_id) == (verb, words, 12)
    assert command.place == f"T1/{TRIAGE}"
    assert command.ref is None


def test_a_click_in_the_thread_is_answered_there() -> None:
    command = read_event(click({"action_id": "retry", "value": "9"}, thread_ts="1.000001"), HOME, PEOPLE)
    assert isinstance(command, StaffCommand)
    assert command.place == f"T1/{TRIAGE}#1.000001"
    assert command.evidence.references == (ref_of("T1", TRIAGE, "1.000001"),)


def test_a_click_on_something_else_is_nothing() -> None:
    assert isinstance(read_event(click({"action_id": "open"}), HOME, PEOPLE), Ignored)


# -- the contract's samples ----------------------------------------------------------------------------------------

SHARED = Path(os.environ.get("RELAYDESK_SHARED") or Path(__file__).parents[3] / "shared")
SAMPLES = sorted((SHARED / "slack/contract/events").glob("Message*.json"))
ACT = {"MessagePayload", "MessageFileSharePayload", "MessageMePayload", "MessageThreadBroadcastPayload"}


@pytest.mark.skipif(not SAMPLES, reason="the contract's samples aren't here")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_only_the_four_kinds_of_content_act(sample: Path) -> None:
    payload = json.loads(sample.read_text("utf-8"))
    payload["type"] = "event_callback"
    inner = payload["event"]
    inner |= {"channel": "D1", "user": "UANN", "ts": "1700000000.000100", "text": "x"}
    for key in (
        "bot_id",
        "bot_profile",
        "app_id",
        "thread_ts",
        "edited",
        "username",
        "blocks",
        "attachments",
    ):
        inner.pop(key, None)
    found = read_event(payload, HOME, PEOPLE)
    assert isinstance(found, NewMessage) == (sample.stem in ACT)
