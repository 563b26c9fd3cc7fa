"""Signing in with Slack, for staff whom Slack shows as full members of our team. The button is a form; on the way back
only the browser that pressed it gets in. Who isn't staff here gets a link by mail like everybody else.
"""

from __future__ import annotations

import contextlib
import secrets
from datetime import timedelta
from typing import Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from core.failures import Invalid, NotFound, TooMany
from core.parts import Parts
from core.sessions import safe_path
from intake.web.forms import fields_of
from intake.web.parts import House
from intake.web.render import PageRoute, page, see_other
from intake.web.sessions import cookies_of, is_csrf_of
from intake.web.slack_oidc import (
    NotVouched,
    authorize_url,
    offered,
    person_for,
    state_for,
    state_of,
    token_nonce,
)

log = structlog.get_logger()
router = APIRouter(include_in_schema=False, route_class=PageRoute)
OLD: Final = "The page was too old, or cookies are off in this browser. Please try again."
STRANGER: Final = "Slack doesn't show you as staff here. You can sign in by mail all the same."
_LONGEST_CODE: Final = 500


@router.post("/sign-in/slack")
async def begin(request: Request, parts: House) -> Response:
    """Send the browser to Slack, by a page that goes on by itself: what a form leads to must be ours by our policy, and
    Slack may lead on to whoever signs people in there."""
    fields, cookies = await _checked(request, parts), cookies_of(request)
    nonce = cookies.read(request, cookies.form)
    if not is_csrf_of(nonce, fields.get("token", "")):
        return _no(request, OLD)
    dice = secrets.token_hex(16)
    state = state_for(nonce, dice, safe_path(fields.get("next", "/")), parts.clock.now())
    url = authorize_url(parts.config, state, token_nonce(nonce, dice))
    response = page(request, "sign_in_to_slack", url=url)
    response.headers["Refresh"] = f"0; url={url}"
    return response


async def _checked(request: Request, parts: Parts) -> dict[str, str]:
    """Return the form's fields. Raises `NotFound` where Slack isn't offered, `TooMany`."""
    if not offered(parts.config):
        raise NotFound("there is no such page")
    if not await parts.sessions.may_ask(request.client.host if request.client else ""):
        raise TooMany("too many from your network; try again in a minute", timedelta(minutes=1))
    return await fields_of(request)


@router.get("/sign-in/slack/back")
async def back(request: Request, parts: House) -> Response:
    """Begin a session for who comes back from Slack, always a new one. Raises `Unavailable` where Slack is away."""
    await _checked(request, parts)
    given, cookies = request.query_params, cookies_of(request)
    state = state_of(cookies.read(request, cookies.form), given.get("state", ""), parts.clock.now())
    if state is None:
        return _no(request, OLD)
    if given.get("error") or not given.get("code"):
        return see_other("/sign-in")
    try:
        person = await person_for(parts.config, given["code"][:_LONGEST_CODE], state.nonce, parts.clock.now())
    except NotVouched as exc:
        log.warning("slack_sign_in_refused", reason=str(exc))
        return _no(request, STRANGER)
    person = parts.people.pinned(person)
    if person.email:
        with contextlib.suppress(Invalid):  # an address that we can't read is as good as none
            await parts.people.met(person)  # a staff member who was known by mail alone until now
    entered = await parts.sessions.enter_staff(person.key, state.goal)
    if entered is None:
        log.info("slack_sign_in_refused", reason="no staff here")
        return _no(request, STRANGER)
    if session := cookies.read(request, cookies.session):
        await parts.sessions.end(session)
    response = see_other(entered.goal)
    cookies.put(response, {cookies.session: entered.token})
    cookies.drop(response, cookies.form)
    return response


def _no(request: Request, text: str) -> Response:
    return page(request, "sign_in_no", 403, text=text)
