"""The hands of the people in the workspace, for tests and for the page: they write, click, react, fill in modals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from sandbox import render
from sandbox.elements import action_of, find_element, message_state, view_values
from sandbox.events import Delivery
from sandbox.faults import Faults
from sandbox.interactions import Interactions
from sandbox.markup import with_mentions
from sandbox.shapes import (
    BOT_USER,
    TRIAGE,
    Answer,
    Call,
    Channel,
    File,
    Json,
    Message,
    SlackError,
    User,
    View,
)
from sandbox.views import Views
from sandbox.wire import user_json
from sandbox.workspace import Workspace

Attached = Iterable[tuple[str, bytes]]


class Driver:
    """`box.workspace`: the workspace as its people see it, and what tests want to know."""

    TRIAGE = TRIAGE

    def __init__(
        self,
        space: Workspace,
        delivery: Delivery,
        interactions: Interactions,
        views: Views,
        faults: Faults,
        busy: Callable[[], bool],
    ) -> None:
        self.state, self.delivery, self.interactions = space, delivery, interactions
        self.views, self.faults = views, faults
        self._busy = busy
        self.selections: dict[tuple[str, str], dict[str, Json]] = {}

    @property
    def calls(self) -> list[Call]:
        """Every Web API call so far, with its answer."""
        return self.state.calls

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.state.calls if call.method == method]

    @property
    def events(self) -> list[Json]:
        """The envelope of every event that was emitted."""
        return self.delivery.emitted

    def user(self, name: str) -> Person:
        """Somebody by name or id."""
        return Person(self, self.state.user(name))

    def channel(self, name: str) -> Room:
        return Room(self, self.state.channel(name))

    def dm_channel(self, name: str) -> Room:
        """The direct messages between the bot and that person."""
        return Room(self, self.state.dm(self.state.user(name)))

    def thread(self, root_ts: str) -> list[Message]:
        """The thread of a root, whichever channel it's in: the root first."""
        for channel in self.state.channels.values():
            if root_ts in channel.messages:
                return [channel.messages[root_ts], *channel.replies(root_ts)]
        return []

    def render(self, name: str = "triage") -> str:
        return self.channel(name).render()

    def delete(self, channel: str, ts: str) -> None:
        """An admin deletes whoever's message."""
        found = self.state.channel(channel)
        self.state.delete(self.state.message(found, ts))

    def add_user(self, name: str, real_name: str, email: str | None = None, **more: Any) -> Person:
        """Somebody joins the workspace."""
        user = User(more.pop("id", self.state.ids.make("U")), name, real_name, email, **more)
        self.state.users[user.id] = user
        self._tell_of(user, "team_join")
        return Person(self, user)

    def change_user(self, name: str, **changes: Any) -> None:
        """A profile changes, or somebody is deactivated (`deleted=True`)."""
        user = self.state.user(name)
        for key, value in changes.items():
            setattr(user, key, value)
        user.updated = self.state.now()
        self._tell_of(user, "user_change")

    def _tell_of(self, user: User, kind: str) -> None:
        event: Json = {"type": kind, "user": user_json(user)}
        if kind == "user_change":
            event["cache_ts"] = self.state.now()
        self.state.emit(event, kind)

    def add_channel(self, name: str, *, private: bool = True, members: Iterable[str] = ()) -> Room:
        """A new channel with these members (the bot only if named: `relaydesk`)."""
        kind: Any = "group" if private else "channel"
        ids = [self.state.user(member).id for member in members]
        channel = Channel(self.state.ids.make("C"), name, kind, ids, created=self.state.now())
        self.state.channels[channel.id] = channel
        return Room(self, channel)

    def archive(self, name: str, *, by: str = "ada") -> None:
        channel = self.state.channel(name)
        channel.is_archived = True
        kind = "channel_archive" if channel.kind == "channel" else "group_archive"
        event = {"type": kind, "channel": channel.id, "user": self.state.user(by).id}
        self.state.emit(event | {"event_ts": self.state.ids.ts()}, kind)

    async def settled(self, quiet: float = 0.25, timeout: float = 15.0) -> None:
        """Wait until nothing happens: no event waits for its ack, no call is made, for `quiet` seconds."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout
        while await self.state.pulse.next(quiet) or self._busy():
            if clock.time() > deadline:
                raise TimeoutError("the workspace didn't come to rest")

    async def wait_for(self, predicate: Callable[[], object], timeout: float = 5.0) -> None:
        """Wait until the predicate holds, looking again whenever something changes."""
        await self.state.pulse.wait_for(predicate, timeout, self._told)

    def _told(self) -> str:
        shown = "\n\n".join(
            f"#{c.name}\n{render.transcript(self.state, c)}" for c in self.state.channels.values()
        )
        return f"it didn't come true; the workspace:\n{shown}"


class Room:
    """A channel or direct messages, as tests look at it."""

    def __init__(self, driver: Driver, channel: Channel) -> None:
        self._driver, self.state = driver, channel

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def messages(self) -> list[Message]:
        """All messages, replies too, the oldest first."""
        return list(self.state.messages.values())

    @property
    def top(self) -> list[Message]:
        return [message for message in self.messages if not message.is_reply]

    @property
    def ephemerals(self) -> list[Message]:
        return self.state.ephemerals

    def thread(self, root_ts: str) -> list[Message]:
        root = self.state.messages.get(root_ts)
        return ([root] if root else []) + self.state.replies(root_ts)

    def render(self) -> str:
        """The channel as text; see `render.py`."""
        return render.transcript(self._driver.state, self.state)


class Person:
    """What somebody does in their client. The channel `dm` is their direct messages with the bot."""

    def __init__(self, driver: Driver, user: User) -> None:
        self._driver, self.state = driver, user
        self._space = driver.state

    @property
    def id(self) -> str:
        return self.state.id

    def _channel(self, name: str) -> Channel:
        channel = (
            self._space.dm(self.state) if name in ("dm", f"D{self.id[1:]}") else self._space.channel(name)
        )
        if self.id not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def _files(self, files: Attached) -> list[File]:
        return [self._space.files.add(self.id, name, content) for name, content in files]

    # -- messages --------------------------------------------------------------------------------------------

    async def dm(self, text: str, *, thread_ts: str | None = None, files: Attached = ()) -> str:
        """Write to the bot; the message's ts."""
        return await self.post("dm", text, thread_ts=thread_ts, files=files)

    async def post(
        self,
        channel: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Attached = (),
        broadcast: bool = False,
        subtype: str | None = None,
    ) -> str:
        """Write in a channel; `@ada` is a mention. `subtype` me_message for `/me`."""
        space = self._space
        typed = with_mentions(text, self._mentioned)
        where = self._channel(channel)
        message = space.say(
            self.state,
            where,
            typed,
            thread_ts=thread_ts,
            files=self._files(files),
            broadcast=broadcast,
            subtype=subtype,
        )
        return message.ts

    def _mentioned(self, name: str) -> str | None:
        return next((user.id for user in self._space.users.values() if user.name == name), None)

    def _own(self, channel: str, ts: str) -> Message:
        message = self._space.message(self._channel(channel), ts)
        if message.user != self.id or message.bot_id:
            raise SlackError("cant_update_message")
        return message

    async def edit(self, channel: str, ts: str, text: str) -> None:
        self._space.retype(self._own(channel, ts), with_mentions(text, self._mentioned))

    async def delete(self, channel: str, ts: str) -> None:
        self._space.delete(self._own(channel, ts))

    async def react(self, channel: str, ts: str, name: str) -> None:
        self._space.react(self._space.message(self._channel(channel), ts), self.id, name)

    async def unreact(self, channel: str, ts: str, name: str) -> None:
        self._space.unreact(self._space.message(self._channel(channel), ts), self.id, name)

    async def join(self, channel: str) -> None:
        self._space.join(self.state, self._space.channel(channel))

    async def leave(self, channel: str) -> None:
        self._space.leave(self.state, self._space.channel(channel))

    async def invite(self, channel: str, name: str = BOT_USER) -> None:
        """Bring somebody (by default the bot) into a channel."""
        self._space.join(self._space.user(name), self._channel(channel), self.id)

    # -- interactions ----------------------------------------------------------------------------------------

    async def click(self, channel: str, ts: str, action_id: str, value: Any = None) -> Answer:
        """Press a button; with a value choose in a select, an overflow menu, a date picker."""
        where = self._channel(channel)
        message = where.messages.get(ts) or next((m for m in where.ephemerals if m.ts == ts), None)
        if message is None:
            raise SlackError("message_not_found")
        block_id, element = find_element(message.blocks, action_id)
        action = action_of(element, block_id, value)
        chosen = self._driver.selections.setdefault((where.id, ts), {})
        state = message_state(message.blocks, chosen, action)
        payload = self._driver.interactions.block_actions(self.state, message, action, state)
        return await self._driver.delivery.interact("interactive", payload)

    async def select(self, channel: str, ts: str, action_id: str, value: Any) -> Answer:
        return await self.click(channel, ts, action_id, value)

    async def command(self, command: str, text: str = "", channel: str = "dm") -> Answer:
        """Type a slash command; what the ack says is shown to them (or to all)."""
        where = self._channel(channel)
        payload = self._driver.interactions.command(self.state, where, command, text)
        answer = await self._driver.delivery.interact("slash_commands", payload)
        said = answer.payload
        if said.get("text") or said.get("blocks"):
            key = payload["response_url"].rpartition("/")[2]
            self._driver.interactions.respond(key, said)
        return answer

    async def shortcut(self, callback_id: str, channel: str | None = None, ts: str | None = None) -> Answer:
        """A message shortcut where a message is named, else a global one."""
        made = self._driver.interactions
        if channel and ts:
            message = self._space.message(self._channel(channel), ts)
            payload = made.message_shortcut(self.state, callback_id, message)
        else:
            payload = made.global_shortcut(self.state, callback_id)
        return await self._driver.delivery.interact("interactive", payload)

    # -- modals and the home tab -----------------------------------------------------------------------------

    @property
    def modal(self) -> View | None:
        """The modal on top of their screen."""
        stack = self._driver.views.stacks.get(self.id)
        return stack[-1] if stack else None

    @property
    def home(self) -> View | None:
        return self._driver.views.homes.get(self.id)

    async def open_home(self, tab: str = "home") -> None:
        """Look at the bot's home tab (or `messages`)."""
        channel = self._space.dm(self.state)
        event = {"type": "app_home_opened", "user": self.id, "channel": channel.id, "tab": tab}
        self._space.emit(event | {"event_ts": self._space.ids.ts()}, "app_home_opened")

    async def submit(self, view_id: str, values: Json) -> Answer:
        """Fill in and submit a modal. Values by action_id or block_id; ValueError for what the client refuses."""
        view = self._driver.views.find(view_id)
        view.values = view_values(view, values)
        view.errors = {}
        payload = self._driver.interactions.view_submission(self.state, view)
        answer = await self._driver.delivery.interact("interactive", payload)
        if answer.acked:
            self._after_submit(view, answer.payload)
        return answer

    def _after_submit(self, view: View, said: Json) -> None:
        views = self._driver.views
        match said.get("response_action"):
            case "errors":
                view.errors = dict(said["errors"])
                self._space.pulse.beat()
            case "update":
                views.update(view, views.checked(said["view"]))
            case "push":
                views.push(self.id, views.checked(said["view"]))
            case "clear":
                views.clear(self.id)
            case _:
                views.close(view)

    async def click_in_view(self, view_id: str, action_id: str, value: Any = None) -> Answer:
        """Press a button, or choose, within a modal or the home tab."""
        view = self._driver.views.find(view_id)
        block_id, element = find_element(view.body.get("blocks", []), action_id)
        action = action_of(element, block_id, value)
        payload = self._driver.interactions.view_actions(self.state, view, action)
        return await self._driver.delivery.interact("interactive", payload)

    async def close_modal(self, view_id: str) -> None:
        view = self._driver.views.find(view_id)
        self._driver.views.close(view)
        if view.body.get("notify_on_close"):
            payload = self._driver.interactions.view_closed(self.state, view)
            await self._driver.delivery.interact("interactive", payload)
