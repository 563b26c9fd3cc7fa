"""What Slack's errors mean for a delivery: a table, and the functions that read it. Pure.

docs.slack.dev/apis/web-api/rate-limits, the error lists of the methods' pages. A write that may have happened is
an `UnknownOutcome`, except where doing it twice is the same as once (`REPEATABLE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import aiohttp

from core.desk_texts import phrase
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
    "invalid_auth": phrase("slack_invalid_auth"),
    "not_authed": phrase("slack_not_authed"),
    "token_revoked": phrase("slack_token_revoked"),
    "token_expired": phrase("slack_token_expired"),
    "account_inactive": phrase("slack_account_inactive"),
    "ekm_access_denied": phrase("slack_ekm_access_denied"),
    "org_login_required": phrase("slack_org_login_required"),
    "team_added_to_org": phrase("slack_team_added_to_org"),
    "two_factor_setup_required": phrase("slack_two_factor"),
    "deprecated_endpoint": phrase("slack_deprecated"),
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
    "access_denied": phrase("slack_access_denied"),
    "team_access_not_granted": phrase("slack_team_access"),
}
# Slack's own trouble, known not done.
BUSY: Final = {
    "service_unavailable": phrase("slack_unavailable"),
    "team_not_found": phrase("slack_team_not_found"),
    "message_limit_exceeded": phrase("slack_plan_limit"),
}
# Nothing can be posted in a channel for now; where it is a queue's triage channel, its deliveries wait (`bot.sender`).
SHUT: Final = ("channel_not_found", "not_in_channel", "is_archived")
# Slack's own trouble, perhaps done (chat.postMessage: "some aspect of the operation may have succeeded").
PERHAPS: Final = ("fatal_error", "internal_error")
# Will never work as it stands; the words say how to mend it.
NEVER: Final = {
    "channel_not_found": phrase("slack_channel_not_found"),
    "not_in_channel": phrase("slack_not_in_channel"),
    "is_archived": phrase("slack_is_archived"),
    "restricted_action": phrase("slack_restricted"),
    "restricted_action_read_only_channel": phrase("slack_read_only"),
    "restricted_action_thread_only_channel": phrase("slack_thread_only"),
    "restricted_action_non_threadable_channel": phrase("slack_no_threads"),
    "restricted_action_thread_locked": phrase("slack_thread_locked"),
    "posting_to_channel_denied": phrase("slack_no_files_there"),
    "cannot_reply_to_message": phrase("slack_no_replies"),
    "thread_not_found": phrase("slack_thread_gone"),
    "messages_tab_disabled": phrase("slack_messages_tab"),
    "user_disabled": phrase("slack_user_disabled"),
    "user_not_found": phrase("slack_user_not_found"),
    "users_not_found": phrase("slack_user_not_found"),
    "user_not_visible": phrase("slack_user_not_visible"),
    "user_not_in_channel": phrase("slack_user_not_in_channel"),
    "cannot_dm_bot": phrase("slack_is_bot"),
    "message_not_found": phrase("slack_message_gone"),
    "cant_update_message": phrase("slack_cant_update"),
    "cant_delete_message": phrase("slack_cant_delete"),
    "edit_window_closed": phrase("slack_too_old"),
    "is_inactive": phrase("slack_frozen"),
    "msg_too_long": phrase("slack_too_long"),
    "msg_blocks_too_long": phrase("slack_too_long"),
    "no_text": phrase("slack_no_text"),
    "invalid_blocks": phrase("slack_invalid_blocks"),
    "invalid_blocks_format": phrase("slack_invalid_blocks"),
    "invalid_arguments": phrase("slack_invalid_arguments"),
    "missing_argument": phrase("slack_missing_argument"),
    "file_type_not_allowed": phrase("slack_file_type"),
    "file_uploads_disabled": phrase("slack_no_uploads"),
    "file_upload_size_restricted": phrase("slack_file_size"),
    "storage_limit_reached": phrase("slack_storage_full"),
    "invalid_name": phrase("slack_no_emoji"),
    "too_many_reactions": phrase("slack_many_reactions"),
    "too_many_emoji": phrase("slack_many_reactions"),
    "not_reactable": phrase("slack_no_reactions"),
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
        return TemporaryFailure(phrase("slack_asks_to_wait", method=method), wait, Scope.LANE)
    if status >= 500:
        answered = phrase("slack_answered", status=status, method=method)
        if status in (502, 504) and method not in REPEATABLE:
            return UnknownOutcome(answered)
        return Ailing(answered)
    if error is None:
        answered = phrase("slack_answered_unreadably", status=status, method=method)
        return TemporaryFailure(answered, None, Scope.CHANNEL)
    return _from_error(method, error, detail)


def _from_error(method: str, error: str, detail: str) -> Failure:
    tokens: Mapping[str, str] = {**TOKEN, **APP_TOKEN} if method == "apps.connections.open" else TOKEN
    if error in tokens:
        return TemporaryFailure(tokens[error], None, Scope.CHANNEL)
    if error in DENIED:
        return Ailing(DENIED[error])
    if error in BUSY:
        return TemporaryFailure(BUSY[error], None, Scope.CHANNEL)
    if error in PERHAPS:
        trouble = phrase("slack_own_trouble", method=method, error=error)
        return TemporaryFailure(trouble, SOON) if method in REPEATABLE else UnknownOutcome(trouble)
    if error == "request_timeout":
        return TemporaryFailure(phrase("slack_in_part", method=method), SOON)
    if error in ("missing_scope", "no_permission"):
        key = "slack_lacks_scope_named" if detail else "slack_lacks_scope"
        return PermanentFailure(phrase(key, method=method, detail=detail))
    words = NEVER.get(error) or phrase("slack_refuses", method=method, error=error)
    return PermanentFailure(phrase("reason_detail", reason=words, detail=detail) if detail else words)


def from_exception(method: str, exc: BaseException) -> Failure:
    """Return what an exception of the connection means: nothing left us, or the answer was lost."""
    if isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return TemporaryFailure(phrase("slack_unreachable"), None, Scope.CHANNEL)
    lost = phrase("slack_lost", method=method)
    return TemporaryFailure(lost, SOON) if method in REPEATABLE else UnknownOutcome(lost)
