"""What Slack's errors mean for a delivery: a table, and the functions that read it. Pure.

docs.slack.dev/apis/web-api/rate-limits, the error lists of the methods' pages. A write that may have happened is
an `UnknownOutcome`, except where doing it twice is the same as once (`REPEATABLE`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import aiohttp

from core.failures import Failure, PermanentFailure, Scope, TemporaryFailure, UnknownOutcome

REPEATABLE: Final = frozenset(
    {
        "auth.test",
        "apps.connections.open",
        "bots.info",
        "chat.delete",
        "chat.getPermalink",
        "chat.update",
        "conversations.history",
        "conversations.info",
        "conversations.list",
        "conversations.members",
        "conversations.open",
        "conversations.replies",
        "files.getUploadURLExternal",
        "files.info",
        "reactions.add",
        "reactions.get",
        "reactions.remove",
        "usergroups.users.list",
        "users.conversations",
        "users.info",
        "users.list",
        "views.publish",
        "views.update",
    }
)
"""Methods that may be called again after a lost answer."""


class Ailing(TemporaryFailure):
    """Slack could not do one call, or may not: the trouble of this delivery, or of all of them. It waits alone until
    others meet the same (`bot.sender`)."""


RATE_LIMITED: Final = ("ratelimited", "rate_limited")
DEFAULT_WAIT: Final = timedelta(seconds=30)
SOON: Final = timedelta(seconds=2)

# The workspace won't have us at all: everything waits until somebody mends it.
TOKEN: Final = {
    "invalid_auth": "Slack refuses the bot token; put a valid one into slack.bot_token",
    "not_authed": "Slack got no token; set slack.bot_token",
    "token_revoked": "the bot token was revoked; install the app again and set slack.bot_token",
    "token_expired": "the bot token has expired; install the app again and set slack.bot_token",
    "account_inactive": "the app was removed from the workspace; install it again",
    "ekm_access_denied": "the workspace's key management keeps the app out; ask its administrators",
    "org_login_required": "the workspace is being moved to an organisation; install the app again afterwards",
    "team_added_to_org": "the workspace is being moved to an organisation; it will work again in a while",
    "two_factor_setup_required": "Slack wants two-factor authentication set up for the app's owner",
    "deprecated_endpoint": "Slack has ended a method that this version uses; update relaydesk",
}
# The same for what opens the sockets, which has a token of its own.
APP_TOKEN: Final = {
    "invalid_auth": "Slack refuses the app token; put a valid one into slack.app_token",
    "not_authed": "Slack got no app token; set slack.app_token",
    "token_revoked": "the app token was revoked; generate another one and set slack.app_token",
    "token_expired": "the app token has expired; generate another one and set slack.app_token",
}
# One thing that the app may not touch, or all of them: what the next deliveries meet says which.
DENIED: Final = {
    "access_denied": "Slack denies the app access to this; ask the workspace's administrators",
    "team_access_not_granted": "the app has no access to that workspace; grant it and install again",
}
# Slack's own trouble, known not done.
BUSY: Final = {
    "service_unavailable": "Slack is unavailable",
    "team_not_found": "Slack doesn't find the workspace just now",
    "message_limit_exceeded": "the workspace sends more messages than its plan allows",
}
# Nothing can be posted in a channel for now; where it is a queue's triage channel, its deliveries wait (`bot.sender`).
SHUT: Final = ("channel_not_found", "not_in_channel", "is_archived")
# Slack's own trouble, perhaps done (chat.postMessage: "some aspect of the operation may have succeeded").
PERHAPS: Final = ("fatal_error", "internal_error")
# Will never work as it stands; the words say how to mend it.
NEVER: Final = {
    "channel_not_found": "Slack finds no such conversation; check the id, and invite the bot if it's private",
    "not_in_channel": "the bot isn't in that channel; /invite it there",
    "is_archived": "that channel is archived; unarchive it or give the queue another slack_channel",
    "restricted_action": "a workspace preference keeps the bot from posting there; ask its administrators",
    "restricted_action_read_only_channel": "that channel is read-only; allow the bot to post there",
    "restricted_action_thread_only_channel": "that channel takes replies in threads only",
    "restricted_action_non_threadable_channel": "that channel takes no replies in threads",
    "restricted_action_thread_locked": "that thread is locked; unlock it",
    "posting_to_channel_denied": "the bot may not post files there",
    "cannot_reply_to_message": "that message takes no replies",
    "thread_not_found": "that thread is gone",
    "messages_tab_disabled": "the person has no message tab with the app; enable it in the app's manifest",
    "user_disabled": "that person's Slack account is deactivated; answer them by mail",
    "user_not_found": "Slack knows no such person",
    "users_not_found": "Slack knows no such person",
    "user_not_visible": "the bot may not see that person",
    "user_not_in_channel": "that person isn't in the channel",
    "cannot_dm_bot": "that is a bot, and takes no messages",
    "message_not_found": "that message is gone in Slack",
    "cant_update_message": "Slack doesn't let the bot change that message",
    "cant_delete_message": "Slack doesn't let the bot delete that message",
    "edit_window_closed": "that message is too old to be changed in this workspace",
    "is_inactive": "that message can't be changed: its channel is frozen",
    "msg_too_long": "the text is longer than Slack takes",
    "msg_blocks_too_long": "the text is longer than Slack takes",
    "no_text": "there is no text to post",
    "invalid_blocks": "Slack doesn't take the layout; this is a fault of relaydesk",
    "invalid_blocks_format": "Slack doesn't take the layout; this is a fault of relaydesk",
    "invalid_arguments": "Slack doesn't take the request; this is a fault of relaydesk",
    "missing_argument": "Slack misses something in the request; this is a fault of relaydesk",
    "file_type_not_allowed": "the workspace doesn't allow files of that type",
    "file_uploads_disabled": "the workspace doesn't allow uploads",
    "file_upload_size_restricted": "the file is larger than the workspace allows",
    "storage_limit_reached": "the workspace's file storage is full",
    "invalid_name": "Slack knows no such emoji",
    "too_many_reactions": "that message has as many reactions as Slack allows",
    "too_many_emoji": "that message has as many reactions as Slack allows",
    "not_reactable": "that message takes no reactions",
}


def from_answer(
    method: str, status: int, error: str | None, *, retry_after: float | None = None, detail: str = ""
) -> Failure:
    """Return what an answer that isn't `ok` means. `status`: HTTP's; `error`: Slack's word, None without JSON;
    `retry_after`: seconds; `detail`: what Slack adds (`needed: chat:write`, a JSON pointer).

    The status decides before the error: a 429 may have any body.
    """
    if status == 429 or error in RATE_LIMITED:
        wait = timedelta(seconds=retry_after) if retry_after is not None else DEFAULT_WAIT
        return TemporaryFailure(f"Slack asks to wait ({method})", wait, Scope.LANE)
    if status >= 500:
        if status in (502, 504) and method not in REPEATABLE:
            return UnknownOutcome(f"Slack answered {status} to {method}")
        return Ailing(f"Slack answered {status} to {method}")
    if error is None:
        return TemporaryFailure(f"Slack answered {status} to {method}, not in JSON", None, Scope.CHANNEL)
    return _from_error(method, error, detail)


def _from_error(method: str, error: str, detail: str) -> Failure:
    tokens = TOKEN | APP_TOKEN if method == "apps.connections.open" else TOKEN
    if error in tokens:
        return TemporaryFailure(tokens[error], None, Scope.CHANNEL)
    if error in DENIED:
        return Ailing(DENIED[error])
    if error in BUSY:
        return TemporaryFailure(BUSY[error], None, Scope.CHANNEL)
    if error in PERHAPS:
        if method in REPEATABLE:
            return TemporaryFailure(f"Slack has trouble of its own with {method} ({error})", SOON)
        return UnknownOutcome(f"Slack has trouble of its own with {method} ({error})")
    if error == "request_timeout":
        return TemporaryFailure(f"Slack got {method} only in part", SOON)
    if error in ("missing_scope", "no_permission"):
        needed = f" ({detail})" if detail else ""
        return PermanentFailure(f"the app lacks a permission for {method}{needed}; add it and install again")
    words = NEVER.get(error, f"Slack refuses {method}: {error}")
    return PermanentFailure(f"{words} ({detail})" if detail else words)


def from_exception(method: str, exc: BaseException) -> Failure:
    """Return what an exception of the connection means: nothing left us, or the answer was lost."""
    if isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return TemporaryFailure("Slack can't be reached", None, Scope.CHANNEL)
    if method in REPEATABLE:
        return TemporaryFailure(f"the connection to Slack was lost during {method}", SOON)
    return UnknownOutcome(f"the connection to Slack was lost during {method}")
