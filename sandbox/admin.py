"""What happens to a workspace from above: people come and go, channels open or close, the app is removed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.shapes import BOT_USER, EXTERNAL_TEAM, Channel, Json, User
from sandbox.wire import channel_json, user_json

if TYPE_CHECKING:
    from sandbox.driver import Room
    from sandbox.person import Person
    from sandbox.workspace import Workspace

_CREATED = (
    "id",
    "name",
    "name_normalized",
    "is_channel",
    "is_group",
    "is_im",
    "is_mpim",
    "is_private",
    "created",
    "creator",
    "is_archived",
    "is_general",
    "is_shared",
    "is_ext_shared",
    "is_org_shared",
    "shared_team_ids",
    "context_team_id",
    "previous_names",
)


class Admin(ABC):
    """The part of the driver that's nobody's client. `by` is the name of who does it."""

    def __init__(self, space: Workspace) -> None:
        self.state = space

    @abstractmethod
    def user(self, name: str) -> Person:
        """Somebody by name or id."""

    @abstractmethod
    def channel(self, name: str) -> Room:
        """A channel by name or id."""

    def _tell(self, kind: str, event: Json) -> None:
        self.state.emit({"type": kind, **event, "event_ts": self.state.ids.ts()}, kind)
        self.state.pulse.beat()

    # -- people ----------------------------------------------------------------------------------------------

    def add_user(self, name: str, real_name: str, email: str | None = None, **more: Any) -> Person:
        """Somebody joins the workspace: a guest with `is_restricted`, of elsewhere with `team_id`."""
        user = User(more.pop("id", self.state.ids.make("U")), name, real_name, email, **more)
        self.state.users[user.id] = user
        self._tell_of(user, "team_join")
        return self.user(user.id)

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

    def set_group(self, group_id: str, members: Iterable[str]) -> None:
        """A user group has these members now; a new id makes one."""
        space = self.state
        before = space.usergroups.get(group_id, [])
        now = [space.user(name).id for name in members]
        space.usergroups[group_id] = now
        added, removed = [m for m in now if m not in before], [m for m in before if m not in now]
        stamp = space.now()
        self._tell(
            "subteam_members_changed",
            {
                "subteam_id": group_id,
                "team_id": self.state.user(BOT_USER).team_id,
                "date_previous_update": stamp,
                "date_update": stamp,
                "added_users": added,
                "added_users_count": len(added),
                "removed_users": removed,
                "removed_users_count": len(removed),
            },
        )

    # -- channels --------------------------------------------------------------------------------------------

    def add_channel(self, name: str, *, private: bool = True, members: Iterable[str] = ()) -> Room:
        """A new channel with these members (the bot only if named: `relaydesk`)."""
        kind: Any = "group" if private else "channel"
        ids = [self.state.user(member).id for member in members]
        channel = Channel(self.state.ids.make("C"), name, kind, ids, created=self.state.now())
        self.state.channels[channel.id] = channel
        if not private:
            shown = channel_json(channel)
            self._tell("channel_created", {"channel": {key: shown[key] for key in _CREATED}})
        return self.channel(channel.id)

    def archive(self, name: str, *, by: str = "ada") -> None:
        self._archived(self.state.channel(name), by, "archive", True)

    def unarchive(self, name: str, *, by: str = "ada") -> None:
        self._archived(self.state.channel(name), by, "unarchive", False)

    def _archived(self, channel: Channel, by: str, what: str, now: bool) -> None:
        channel.is_archived = now
        self._tell(f"{channel.kind}_{what}", {"channel": channel.id, "user": self.state.user(by).id})

    def rename(self, name: str, to: str) -> None:
        channel = self.state.channel(name)
        channel.name = to
        shown = channel_json(channel)
        keys = ("id", "is_channel", "is_mpim", "name", "name_normalized", "created")
        self._tell(f"{channel.kind}_rename", {"channel": {key: shown[key] for key in keys}})

    def delete_channel(self, name: str, *, by: str = "ada") -> None:
        """It's gone for good, with all that was in it."""
        channel = self.state.channel(name)
        del self.state.channels[channel.id]
        if BOT_USER in channel.members or channel.kind == "channel":
            actor = self.state.user(by).id
            self._tell(f"{channel.kind}_deleted", {"channel": channel.id, "actor_id": actor})

    def kick(self, name: str, who: str = BOT_USER, *, by: str = "ada") -> None:
        """Somebody (by default the bot) is removed from a channel."""
        space = self.state
        space.leave(space.user(who), space.channel(name), space.user(by).id)

    def make_public(self, name: str) -> None:
        """A private channel becomes a public one. The Events API has no event of it: an app sees it by asking."""
        self.state.channel(name).kind = "channel"
        self.state.pulse.beat()

    def make_private(self, name: str) -> None:
        self.state.channel(name).kind = "group"
        self.state.pulse.beat()

    def share(self, name: str, team: str = EXTERNAL_TEAM) -> None:
        """Another organisation joins the channel (Slack Connect)."""
        channel = self.state.channel(name)
        if team not in channel.teams:
            channel.teams.append(team)
            self._tell("channel_shared", {"connected_team_id": team, "channel": channel.id})

    def unshare(self, name: str, team: str = EXTERNAL_TEAM) -> None:
        """The other organisation is out again, and its people with it."""
        channel = self.state.channel(name)
        if team in channel.teams:
            channel.teams.remove(team)
            theirs = {u.id for u in self.state.users.values() if u.team_id == team}
            channel.members = [member for member in channel.members if member not in theirs]
            told = {"previously_connected_team_id": team, "channel": channel.id}
            self._tell("channel_unshared", told | {"is_ext_shared": channel.is_ext_shared})

    # -- messages and files ----------------------------------------------------------------------------------

    def delete(self, channel: str, ts: str) -> None:
        """An admin deletes whoever's message."""
        found = self.state.channel(channel)
        self.state.delete(self.state.message(found, ts))

    def unfurl(self, channel: str, ts: str, **attachment: Any) -> None:
        """Slack itself shows what is behind a link: the message changes, nobody has edited it."""
        message = self.state.message(self.state.channel(channel), ts)
        shown = {"id": 1, "fallback": "a page", **attachment}
        self.state.edit(message, message.user or "", {"attachments": [shown]}, mark=False)

    def hide_file(self, file_id: str) -> None:
        """The plan's limit is reached: the file is kept, and shown to nobody."""
        self.state.files.get(file_id).hidden = True

    # -- the app ---------------------------------------------------------------------------------------------

    def uninstall(self) -> None:
        """An admin removes the app: its token is of no use, and it's told so."""
        self.state.revoke(uninstalled=True)

    def reinstall(self) -> None:
        """The same app with the same token again."""
        self.state.revoked = None
