"""Messages as Slack keeps them: threads, tombstones, edits, metadata, order, limits."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import GENERAL, TRIAGE, Sandbox, SlackError

SECTION: dict[str, Any] = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}


def error(raised: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(raised.value.response["error"])


async def test_what_people_type_is_stored_as_slack_stores_it(box: Sandbox, client: AsyncWebClient) -> None:
    ts = await box.workspace.user("ada").post(
        "triage", "a < b & @grace https://x.example/a, mail a@b.example"
    )
    message = (await client.conversations_history(channel=TRIAGE))["messages"][0]
    assert message["ts"] == ts
    assert message["text"] == (
        "a &lt; b &amp; <@U0GRACE001> <https://x.example/a>, mail <mailto:a@b.example|a@b.example>"
    )
    kinds = [part["type"] for part in message["blocks"][0]["elements"][0]["elements"]]
    assert kinds == ["text", "user", "text", "link", "text", "link"]
    assert message["client_msg_id"]


async def test_quotes_lists_and_code_become_rich_text(box: Sandbox) -> None:
    await box.workspace.user("ada").post("triage", "look:\n> quoted\n- one\n- two\n```\nx = 1\n```")
    kinds = [part["type"] for part in box.workspace.channel("triage").messages[0].blocks[0]["elements"]]
    assert kinds == ["rich_text_section", "rich_text_quote", "rich_text_list", "rich_text_preformatted"]


async def test_a_thread_counts_its_replies(box: Sandbox, client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel=TRIAGE, text="card"))["ts"]
    reply = await box.workspace.user("ada").post("triage", "on it", thread_ts=root)
    mine = await client.chat_postMessage(channel=TRIAGE, text="noted", thread_ts=root)
    assert mine["message"]["thread_ts"] == root
    shown = (await client.conversations_history(channel=TRIAGE))["messages"]
    assert [message["ts"] for message in shown] == [root]
    assert (shown[0]["reply_count"], shown[0]["latest_reply"], shown[0]["thread_ts"]) == (2, mine["ts"], root)
    thread = (await client.conversations_replies(channel=TRIAGE, ts=root))["messages"]
    assert [message["ts"] for message in thread] == [root, reply, mine["ts"]]
    assert thread[1]["parent_user_id"] == box.bot_user_id
    alone = (await client.conversations_replies(channel=TRIAGE, ts=reply))["messages"]
    assert [message["ts"] for message in alone] == [reply]
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="to a reply", thread_ts=reply)
    assert error(raised) == "cannot_reply_to_message"


async def test_counters_may_come_as_changes(box: Sandbox) -> None:
    box.workspace.state.counters_tell = True
    root = await box.workspace.user("ada").post("triage", "root")
    await box.workspace.user("ada").post("triage", "reply", thread_ts=root)
    changed = box.workspace.events[-1]["event"]
    assert (changed["subtype"], changed["message"]["reply_count"]) == ("message_changed", 1)
    assert "edited" not in changed["message"]
    assert changed["message"]["text"] == changed["previous_message"]["text"]


async def test_threads_are_paged_with_their_root_on_each_page(box: Sandbox, client: AsyncWebClient) -> None:
    root = await box.workspace.user("ada").post("triage", "root")
    for number in range(5):
        await box.workspace.user("grace").post("triage", str(number), thread_ts=root)
    seen: list[str] = []
    pages = 0
    async for page in await client.conversations_replies(channel=TRIAGE, ts=root, limit=2):
        pages += 1
        assert page["messages"][0]["ts"] == root
        seen += [message["text"] for message in page["messages"][1:]]
    assert (pages, seen) == (3, ["0", "1", "2", "3", "4"])


async def test_history_is_newest_first_and_bounded(box: Sandbox, client: AsyncWebClient) -> None:
    stamps = [await box.workspace.user("ada").post("triage", str(n)) for n in range(4)]
    after = await client.conversations_history(channel=TRIAGE, oldest=stamps[1])
    assert [message["text"] for message in after["messages"]] == ["3", "2"]
    one = await client.conversations_history(channel=TRIAGE, latest=stamps[1], inclusive=True, limit=1)
    assert [message["ts"] for message in one["messages"]] == [stamps[1]]
    assert one["has_more"] is True
    with pytest.raises(SlackApiError) as raised:
        await client.conversations_history(channel=TRIAGE, oldest="yesterday")
    assert error(raised) == "invalid_ts_oldest"


async def test_pages_of_history_survive_new_messages(box: Sandbox, client: AsyncWebClient) -> None:
    for number in range(5):
        await box.workspace.user("ada").post("triage", str(number))
    first = await client.conversations_history(channel=TRIAGE, limit=2)
    await box.workspace.user("ada").post("triage", "between")
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel=TRIAGE, limit=2, cursor=cursor)
    assert [m["text"] for m in (*first["messages"], *second["messages"])] == ["4", "3", "2", "1"]


async def test_a_reply_to_a_missing_root_lands_at_top_level(box: Sandbox, client: AsyncWebClient) -> None:
    root = await box.workspace.user("ada").post("triage", "gone soon")
    await box.workspace.user("ada").delete("triage", root)
    answer = await client.chat_postMessage(channel=TRIAGE, text="late", thread_ts=root)
    assert "thread_ts" not in answer["message"]
    assert [m.text for m in box.workspace.channel("triage").top] == ["late"]


async def test_a_deleted_root_with_replies_leaves_a_tombstone(box: Sandbox, client: AsyncWebClient) -> None:
    ada = box.workspace.user("ada")
    root = await ada.post("triage", "root")
    reply = await ada.post("triage", "reply", thread_ts=root)
    await ada.delete("triage", root)
    shown = (await client.conversations_history(channel=TRIAGE))["messages"][0]
    assert (shown["subtype"], shown["user"], shown["reply_count"]) == ("tombstone", "USLACKBOT", 1)
    changed = box.workspace.events[-1]["event"]
    assert (changed["subtype"], changed["message"]["subtype"]) == ("message_changed", "tombstone")
    await ada.delete("triage", reply)
    assert box.workspace.channel("triage").messages == []


async def test_an_update_replaces_text_and_blocks(box: Sandbox, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel=TRIAGE, text="a", blocks=[SECTION]))["ts"]
    with_blocks = await client.chat_update(channel=TRIAGE, ts=ts, text="b", blocks=[SECTION])
    assert "edited" not in with_blocks["message"]
    text_only = await client.chat_update(channel=TRIAGE, ts=ts, text="c")
    assert "blocks" not in text_only["message"]
    assert text_only["message"]["edited"]["user"] == box.bot_user_id
    event = box.workspace.events[-1]["event"]
    assert (event["message"]["text"], event["previous_message"]["text"]) == ("c", "b")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_update(channel=TRIAGE, ts=ts, text="x" * 4001)
    assert error(raised) == "msg_too_long"
    theirs = await box.workspace.user("ada").post("triage", "mine")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_update(channel=TRIAGE, ts=theirs, text="x")
    assert error(raised) == "cant_update_message"
    with pytest.raises(SlackApiError) as raised:
        await client.chat_update(channel=TRIAGE, ts="1.000001", text="x")
    assert error(raised) == "message_not_found"


async def test_metadata_is_shown_to_who_asks(box: Sandbox, client: AsyncWebClient) -> None:
    metadata = {"event_type": "delivery", "event_payload": {"id": "42"}}
    ts = (await client.chat_postMessage(channel=TRIAGE, text="a", metadata=metadata))["ts"]
    plain = await client.conversations_history(channel=TRIAGE)
    assert "metadata" not in plain["messages"][0]
    full = await client.conversations_replies(channel=TRIAGE, ts=ts, include_all_metadata=True)
    assert full["messages"][0]["metadata"] == metadata
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="a", metadata={"event_type": "x"})
    assert error(raised) == "invalid_metadata_format"


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
async def test_texts_have_limits(box: Sandbox, client: AsyncWebClient) -> None:
    cut = await client.chat_postMessage(channel=TRIAGE, text="x" * 40_001)
    assert len(cut["message"]["text"]) == 40_000
    assert cut["response_metadata"]["warnings"] == ["message_truncated"]
    big = [{"type": "section", "text": {"type": "plain_text", "text": "x" * 3000}}] * 5
    big = [{**block, "block_id": str(number)} for number, block in enumerate(big)]
    for args, refusal in (
        ({"text": " "}, "no_text"),
        ({"text": "t", "blocks": big}, "msg_blocks_too_long"),
        ({"text": "t", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "t", "blocks": "[{"}, "invalid_blocks_format"),
        ({"text": "t", "markdown_text": "**t**"}, "markdown_text_conflict"),
        ({"text": "t", "attachments": [{"text": "a"}] * 101}, "too_many_attachments"),
        ({"text": "t", "channel": "C404"}, "channel_not_found"),
    ):
        with pytest.raises(SlackApiError) as raised:
            await client.chat_postMessage(**{"channel": TRIAGE, **args})
        assert error(raised) == refusal


async def test_where_the_bot_may_post(box: Sandbox, client: AsyncWebClient) -> None:
    space = box.workspace
    private = space.add_channel("secret", members=["ada"])
    public = space.add_channel("open", private=False, members=["ada"])
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=private.id, text="x")
    assert error(raised) == "channel_not_found"
    await client.chat_postMessage(channel=public.id, text="chat:write.public lets it")
    space.state.scopes.discard("chat:write.public")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=public.id, text="x")
    assert error(raised) == "not_in_channel"
    await client.conversations_join(channel=public.id)
    await client.chat_postMessage(channel=public.id, text="x")
    space.archive("open")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=public.id, text="x")
    assert error(raised) == "is_archived"
    space.state.messages_tab = False
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel="U0ANN00001", text="x")
    assert error(raised) == "messages_tab_disabled"


async def test_a_customised_name_makes_a_bot_message(box: Sandbox, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel=TRIAGE, text="x", username="Ann", icon_emoji=":email:")
    assert posted["message"]["subtype"] == "bot_message"
    assert "user" not in posted["message"]
    with pytest.raises(SlackApiError) as raised:
        await client.chat_delete(channel=TRIAGE, ts=posted["ts"])
    assert error(raised) == "cant_delete_message"


async def test_reactions(box: Sandbox, client: AsyncWebClient) -> None:
    ts = await box.workspace.user("ada").post("triage", "x")
    await client.reactions_add(channel=TRIAGE, timestamp=ts, name="eyes")
    await box.workspace.user("grace").react("triage", ts, "eyes")
    shown = (await client.reactions_get(channel=TRIAGE, timestamp=ts))["message"]["reactions"]
    assert shown == [{"name": "eyes", "users": [box.bot_user_id, "U0GRACE001"], "count": 2}]
    for name, refusal in (("eyes", "already_reacted"), ("not a name", "invalid_name")):
        with pytest.raises(SlackApiError) as raised:
            await client.reactions_add(channel=TRIAGE, timestamp=ts, name=name)
        assert error(raised) == refusal
    await client.reactions_remove(channel=TRIAGE, timestamp=ts, name="eyes")
    with pytest.raises(SlackApiError) as raised:
        await client.reactions_remove(channel=TRIAGE, timestamp=ts, name="eyes")
    assert error(raised) == "no_reaction"


async def test_ephemerals_and_permalinks(box: Sandbox, client: AsyncWebClient) -> None:
    await client.chat_postEphemeral(channel=TRIAGE, user="U0ADA00001", text="only you")
    room = box.workspace.channel("triage")
    assert ([m.text for m in room.ephemerals], room.messages) == (["only you"], [])
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postEphemeral(channel=TRIAGE, user="U0ANN00001", text="x")
    assert error(raised) == "user_not_in_channel"
    root = await box.workspace.user("ada").post("triage", "root")
    reply = await box.workspace.user("ada").post("triage", "reply", thread_ts=root)
    link = (await client.chat_getPermalink(channel=TRIAGE, message_ts=reply))["permalink"]
    assert link.endswith(f"/p{reply.replace('.', '')}?thread_ts={root}&cid={TRIAGE}")


async def test_people_act_only_where_they_are(box: Sandbox) -> None:
    ann = box.workspace.user("ann")
    with pytest.raises(SlackError, match="not_in_channel"):
        await ann.post("triage", "let me in")
    ts = await box.workspace.user("ada").post("general", "mine")
    with pytest.raises(SlackError, match="cant_update_message"):
        await ann.edit("general", ts, "yours")


async def test_a_channel_as_text(box: Sandbox, client: AsyncWebClient) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "#1 Fire"}},
        {**SECTION, "text": {"type": "mrkdwn", "text": "by <@U0ANN00001> &amp; <https://x.example|link>"}},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "action_id": "take", "text": {"type": "plain_text", "text": "Take it"}},
                {
                    "type": "users_select",
                    "action_id": "who",
                    "placeholder": {"type": "plain_text", "text": "Who"},
                },
            ],
        },
        {"type": "context", "elements": [{"type": "plain_text", "text": "due soon"}]},
    ]
    root = (await client.chat_postMessage(channel=TRIAGE, text="#1", blocks=blocks))["ts"]
    reply = await box.workspace.user("ada").post(
        "triage", "hi @grace", thread_ts=root, files=[("a.txt", b"abc")]
    )
    await client.reactions_add(channel=TRIAGE, timestamp=reply, name="eyes")
    await box.workspace.user("ada").edit("triage", reply, "hello @grace")
    assert box.workspace.render("triage").split("\n") == [
        "relaydesk: # #1 Fire",
        "  by @ann & link <https://x.example>",
        "  [Take it] [Who ▾]",
        "  ~ due soon",
        "    ada: hello @grace (edited)",
        "      [file a.txt, 3 bytes]",
        "      :eyes: relaydesk",
    ]


async def test_stamps_never_repeat(box: Sandbox) -> None:
    bob = box.workspace.user("bob")
    stamps = [await bob.post(GENERAL, "x") for _ in range(50)]
    assert stamps == sorted(set(stamps))
