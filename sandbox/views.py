"""Modals and home tabs: what is open on whose screen, with a hash per state and a stack of at most three.

docs.slack.dev/surfaces/modals; limits: the pages of views.open, views.push, views.update.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox.block_ids import with_id
from sandbox.blocks import check_view
from sandbox.shapes import Json, SlackError, View

if TYPE_CHECKING:
    from sandbox.methods import Asked
    from sandbox.workspace import Workspace

MOST_STACKED = 3
MOST_BYTES = 250_000


class Views:
    """All views of a workspace."""

    def __init__(self, space: Workspace) -> None:
        self._space = space
        self.stacks: dict[str, list[View]] = {}  # by user, the topmost last
        self.homes: dict[str, View] = {}

    def read(self, asked: Asked, kind: str = "modal") -> Json:
        """The `view` argument, or its refusal; a home tab isn't opened and a modal isn't published."""
        view = asked.json("view", "invalid_arguments")
        if not isinstance(view, dict):
            raise SlackError("invalid_arguments")
        if len(json.dumps(view)) > MOST_BYTES:
            raise SlackError("view_too_large")
        if view.get("type") in ("modal", "home") and view["type"] != kind:
            said = f"[ERROR] unsupported type: {view['type']} [json-pointer:/view/type]"
            raise SlackError("invalid_arguments", response_metadata={"messages": [said]})
        return self.checked(view)

    def checked(self, view: Json) -> Json:
        """A view whose blocks and elements have their ids."""
        if problems := check_view(view):
            messages = [f"[ERROR] {p.message} [json-pointer:{p.pointer}]" for p in problems]
            raise SlackError("invalid_arguments", response_metadata={"messages": messages})
        return {**view, "blocks": [self._with_ids(block) for block in view["blocks"]]}

    def _with_ids(self, block: Json) -> Json:
        return with_id(self._space.ids, block)

    def _make(self, user: str, body: Json, below: View | None = None) -> View:
        external = body.get("external_id")
        if external and any(v.body.get("external_id") == external for v in self.all()):
            raise SlackError("duplicate_external_id")
        view_id = self._space.ids.make("V")
        root = below.root_view_id if below else view_id
        made = View(view_id, user, body, self._hash(), root, below.id if below else None)
        made.values = initial_values(body)
        return made

    def _hash(self) -> str:
        return f"{self._space.now()}.{self._space.ids.make('h')}"

    def all(self) -> list[View]:
        return [view for stack in self.stacks.values() for view in stack] + list(self.homes.values())

    def open(self, user: str, body: Json) -> View:
        view = self._make(user, body)
        self.stacks[user] = [view]
        self._space.pulse.beat()
        return view

    def push(self, user: str, body: Json) -> View:
        stack = self.stacks.get(user)
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= MOST_STACKED:
            raise SlackError("push_limit_reached")
        stack.append(self._make(user, body, stack[-1]))
        self._space.pulse.beat()
        return stack[-1]

    def update(self, view: View, body: Json) -> View:
        """Replace a view's content; what was typed into inputs that stay is kept."""
        kept = view.values
        view.body, view.hash, view.errors = body, self._hash(), {}
        view.values = initial_values(body)
        for block_id, values in kept.items():
            now = view.values.get(block_id, {})
            now |= {action: value for action, value in values.items() if action in now}
        self._space.pulse.beat()
        return view

    def publish(self, user: str, body: Json, given_hash: str) -> View:
        known = self.homes.get(user)
        if known is None:
            self.homes[user] = self._make(user, body)
            self._space.pulse.beat()
            return self.homes[user]
        if given_hash and given_hash != known.hash:
            raise SlackError("hash_conflict")
        return self.update(known, body)

    def find(self, view_id: str = "", external_id: str = "") -> View:
        for view in self.all():
            if view.id == view_id or (external_id and view.body.get("external_id") == external_id):
                return view
        raise SlackError("not_found")

    def close(self, view: View) -> None:
        """Close a modal: the one below it shows again."""
        stack = self.stacks.get(view.user, [])
        if view in stack:
            stack.remove(view)
        if not stack:
            self.stacks.pop(view.user, None)
        self._space.pulse.beat()

    def clear(self, user: str) -> None:
        self.stacks.pop(user, None)
        self._space.pulse.beat()


_WITHOUT_STATE = ("button", "overflow", "image", "workflow_button", "feedback_buttons", "icon_button")


def initial_values(body: Json) -> dict[str, Json]:
    """`state.values` of a view nobody has touched yet: its inputs, and what else can be chosen in it."""
    out: dict[str, Json] = {}
    for block in body.get("blocks", []):
        listed = block.get("elements", []) if block["type"] == "actions" else []
        for element in [*listed, block.get("accessory"), block.get("element")]:
            if isinstance(element, dict) and element["type"] not in _WITHOUT_STATE:
                out.setdefault(block["block_id"], {})[element["action_id"]] = initial_value(element)
    return out


_INITIAL = (
    ("initial_value", "value"),
    ("initial_option", "selected_option"),
    ("initial_options", "selected_options"),
    ("initial_user", "selected_user"),
    ("initial_users", "selected_users"),
    ("initial_channel", "selected_channel"),
    ("initial_conversation", "selected_conversation"),
    ("initial_date", "selected_date"),
    ("initial_time", "selected_time"),
    ("initial_channels", "selected_channels"),
    ("initial_conversations", "selected_conversations"),
    ("initial_date_time", "selected_date_time"),
)
_KEY = {
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "overflow": "selected_option",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "checkboxes": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "rich_text_input": "rich_text_value",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "file_input": "files",
}


def value_key(element_type: str) -> str:
    """Under which key an element's state has its value."""
    return _KEY.get(element_type, "value")


def initial_value(element: Json) -> Json:
    kind = str(element["type"])
    key = value_key(kind)
    empty: object = [] if key.endswith("s") else None
    out: Json = {"type": kind, key: empty}
    for given, stored in _INITIAL:
        if element.get(given) is not None:
            out[stored] = element[given]
    return out
