"""The hands of one person in their client: they write, click, react, fill in forms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox import render
from sandbox.elements import action_of, find_element, message_state, set_in_view, uploaded, view_values
from sandbox.markup import with_mentions
from sandbox.shapes import BOT_USER, Answer, Channel, File, Json, Message, SlackError, User, View
from sandbox.suggestions import offered
from sandbox.wire import file_json, view_json

if TYPE_CHECKING:
    from sandbox.driver import Driver

Attached = Iterable[tuple[str, bytes]]
_BY_NAME = ("users_select", "channels_select")


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

    async def click(
        self, channel: str, ts: str, action_id: str, value: Any = None, *, block: str | None = None
    ) -> Answer:
        """Press a button; with a value choose in a select, an overflow menu, a date picker. `block`: of several with
        that action_id, the one in this block."""
        where = self._channel(channel)
        message = self._seen(where, ts)
        block_id, element = find_element(message.blocks, action_id, block)
        action = action_of(element, block_id, self._meant(element, value))
        state = message_state(message.blocks, message.selected, action)
        payload = self._driver.interactions.block_actions(self.state, message, action, state)
        return await self._driver.delivery.interact("interactive", payload)

    def _seen(self, where: Channel, ts: str) -> Message:
        """A message that they see: also one that only they see."""
        mine = (m for m in where.ephemerals if m.ts == ts and m.ephemeral_to == self.id)
        message = where.messages.get(ts) or next(mine, None)
        if message is None:
            raise SlackError("message_not_found")
        return message

    def _meant(self, element: Json, value: Any) -> Any:
        """People and channels may be given by name."""
        kind = str(element["type"])
        names = value if isinstance(value, list) else [value]
        if value is None or isinstance(value, dict) or not kind.endswith(_BY_NAME):
            return value
        find = self._space.user if "users" in kind else self._space.channel
        found = [find(str(name)).id for name in names]
        return found if isinstance(value, list) else found[0]

    async def select(self, channel: str, ts: str, action_id: str, value: Any) -> Answer:
        return await self.click(channel, ts, action_id, value)

    async def command(self, command: str, text: str = "", channel: str = "dm") -> Answer:
        """Type a slash command; what the ack says is shown to them (or to all)."""
        app = self._space.app
        if "commands" not in self._space.scopes or (app.strict and command not in app.commands):
            raise LookupError(f"{command} is not a valid command")
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
        made, app = self._driver.interactions, self._space.app
        kind = "message" if channel and ts else "global"
        known = any(s.kind == kind and s.callback_id == callback_id for s in app.shortcuts)
        if "commands" not in self._space.scopes or (app.strict and not known):
            raise LookupError(f"no {kind} shortcut {callback_id!r}")
        if channel and ts:
            message = self._space.message(self._channel(channel), ts)
            payload = made.message_shortcut(self.state, callback_id, message)
        else:
            payload = made.global_shortcut(self.state, callback_id)
        return await self._driver.delivery.interact("interactive", payload)

    async def suggest(
        self,
        action_id: str,
        query: str,
        *,
        channel: str | None = None,
        ts: str | None = None,
        view_id: str | None = None,
    ) -> list[Json]:
        """Type into an external_select of a message or view; the options that the app offers."""
        made = self._driver.interactions
        if view_id is not None:
            view = self._driver.views.find(view_id)
            block_id, element = find_element(view.body["blocks"], action_id)
            place = {"view": view_json(view), "container": {"type": "view", "view_id": view.id}}
        else:
            message = self._seen(self._channel(channel or "dm"), ts or "")
            block_id, element = find_element(message.blocks, action_id)
            place = made.message_place(message)
        if not element["type"].endswith("external_select"):
            raise LookupError(f"{action_id!r} asks the app for nothing")
        payload = made.suggestion(self.state, place, block_id, action_id, query)
        return offered(await self._driver.delivery.interact("interactive", payload))

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
        if tab == "home" and not self._space.home_tab:
            raise SlackError("not_enabled")
        channel = self._space.dm(self.state)
        event: Json = {"type": "app_home_opened", "user": self.id, "channel": channel.id, "tab": tab}
        if tab == "home" and self.home:
            event["view"] = view_json(self.home)
        self._space.emit(event | {"event_ts": self._space.ids.ts()}, "app_home_opened")

    def render_home(self) -> str:
        """Their home tab as text."""
        return render.view(self._space, self.home.body) if self.home else ""

    def render_modal(self) -> str:
        """The modal on top of their screen as text."""
        return render.view(self._space, self.modal.body) if self.modal else ""

    async def submit(self, view_id: str, values: Json) -> Answer:
        """Fill in and submit a modal. Values by action_id or block_id; ValueError for what the client refuses.

        People and channels by name or id; a file_input takes `[("a.txt", b"…")]`.
        """
        view = self._driver.views.find(view_id)
        if view.body["type"] != "modal" or not view.body.get("submit") or view.body.get("submit_disabled"):
            raise ValueError("there's no button to submit this")
        view.values = view_values(view, self._filled(view, values))
        view.errors = {}
        self._space.pulse.beat()
        payload = self._driver.interactions.view_submission(self.state, view)
        answer = await self._driver.delivery.interact("interactive", payload)
        if answer.acked:
            self._after_submit(view, answer.payload)
        return answer

    def _filled(self, view: View, values: Json) -> Json:
        """What was filled in, as the client sends it: names as ids, files uploaded."""
        out = dict(values)
        for block in view.body["blocks"]:
            element = block.get("element") or {}
            for name in {element.get("action_id"), block["block_id"]}:
                if block["type"] == "input" and name in out:
                    meant = self._meant(element, out[name])
                    out[name] = uploaded(element, meant, self._upload)
        return out

    def _upload(self, name: str, content: bytes) -> Json:
        return file_json(self._space, self._space.files.add(self.id, name, content))

    def _after_submit(self, view: View, said: Json) -> None:
        views = self._driver.views
        match said.get("response_action"):
            case "errors":
                view.errors = dict(said["errors"])
                if lost := view.errors.keys() - {block["block_id"] for block in view.body["blocks"]}:
                    raise ValueError(f"errors for blocks that aren't there: {sorted(lost)}")
                self._space.pulse.beat()
            case "update":
                views.update(view, views.checked(said["view"]))
            case "push":
                views.push(self.id, views.checked(said["view"]))
            case "clear":
                views.clear(self.id)
            case _:
                views.close(view)

    async def click_in_view(
        self, view_id: str, action_id: str, value: Any = None, *, block: str | None = None
    ) -> Answer:
        """Press a button, or choose, within a modal or the home tab; `block` as for `click`."""
        view = self._driver.views.find(view_id)
        block_id, element = find_element(view.body.get("blocks", []), action_id, block)
        action = action_of(element, block_id, self._meant(element, value))
        set_in_view(view, action)
        payload = self._driver.interactions.view_actions(self.state, view, action)
        return await self._driver.delivery.interact("interactive", payload)

    async def close_modal(self, view_id: str, *, everything: bool = False) -> None:
        """Close a modal, or all that are stacked."""
        views = self._driver.views
        view = views.find(view_id)
        everything = everything or bool(view.body.get("clear_on_close"))
        gone = list(views.stacks.get(self.id, [])) if everything else [view]
        if everything:
            views.clear(self.id)
        else:
            views.close(view)
        for closed in reversed(gone):
            if closed.body.get("notify_on_close"):
                payload = self._driver.interactions.view_closed(self.state, closed, everything)
                await self._driver.delivery.interact("interactive", payload)
