"""Signing in and out. Opening a page changes nothing; a form counts only from the browser that was given it.

The answer to an address, and its time, are the same whether or not we know it: what is different happens afterwards.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Path, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from core.failures import Invalid, Refused, TooMany, Unavailable
from core.matching import mail_person
from core.parts import Parts
from core.sessions import Refusal, safe_path
from intake.web.forms import fields_of
from intake.web.parts import House, parts_of
from intake.web.render import SAME_PAGE, PageRoute, message, page, see_other
from intake.web.sessions import Cookies, cookies_of, csrf_of, is_csrf_of, session_actor
from intake.web.slack_oidc import offered

log = structlog.get_logger()
router = APIRouter(include_in_schema=False, route_class=PageRoute)
Token = Annotated[str, Path(max_length=200)]
_LONGEST_ADDRESS: Final = 320
_SPREAD: Final = 1.0  # seconds within which a mail is written


@router.get("/sign-in")
async def sign_in_page(request: Request, goal: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Ask for an address; who is signed in goes on to where they wanted to be."""
    if await session_actor(request) is not None:
        return see_other(safe_path(goal))
    return _asking(request, safe_path(goal))


def _asking(request: Request, goal: str, status: int = 200, email: str = "", problem: str = "") -> Response:
    cookies, new = cookies_of(request), dict[str, str]()
    nonce = cookies.form_nonce(request, new)
    shown = {"goal": goal, "email": email, "problem": problem, "form_token": csrf_of(nonce)}
    shown["by_slack"] = "yes" if offered(parts_of(request).config) else ""
    response = page(request, "sign_in", status, **shown)
    cookies.put(response, new)
    return response


@router.post("/sign-in")
async def ask(request: Request, parts: House) -> Response:
    """Take an address and mail a link to it, where it is somebody's."""
    fields, cookies = await fields_of(request), cookies_of(request)
    nonce = cookies.read(request, cookies.form)
    goal, email = safe_path(fields.get("next", "/")), fields.get("email", "").strip()
    if not is_csrf_of(nonce, fields.get("token", "")):
        return _asking(request, goal, 403, email[:_LONGEST_ADDRESS], _FORGED)
    try:
        address = mail_person(email).address
    except Invalid:
        return _asking(request, goal, 422, email[:_LONGEST_ADDRESS], "This is no mail address.")
    source = request.client.host if request.client else ""
    if not await parts.sessions.may_ask(source):
        raise TooMany("too many from your network; try again in a minute", timedelta(minutes=1))
    response = message(
        request, "Look into your mail", "If we know this address, a link to sign in is on its way to it.", 200
    )
    response.background = BackgroundTask(_mail, parts, address, nonce, goal, source)
    return response


async def _mail(parts: Parts, address: str, nonce: str, goal: str, source: str) -> None:
    # Not at once: a request that comes right behind would wait for what is written for somebody's address.
    await asyncio.sleep(_SPREAD * secrets.randbelow(1000) / 1000)
    try:
        await parts.sessions.ask(address, nonce, goal, source)
    except (Refused, Unavailable) as exc:
        log.warning("sign_in_mail_failed", reason=type(exc).__name__)


@router.get("/sign-in/{token}")
async def link_page(token: Token, request: Request, parts: House) -> Response:
    """Ask for the click, and for the code where another browser asked for the link."""
    cookies, new = cookies_of(request), dict[str, str]()
    nonce = cookies.form_nonce(request, new)
    needed = await parts.sessions.look_at(token, nonce)
    if needed is Refusal.GONE:
        return _gone(request)
    response = _entering(request, nonce, needed is Refusal.CODE)
    cookies.put(response, new)
    return response


def _entering(request: Request, nonce: str, code: bool, status: int = 200, problem: str = "") -> Response:
    shown = {"code": code, "problem": problem, "form_token": csrf_of(nonce)}
    return page(request, "sign_in_link", status, **shown)


def _gone(request: Request) -> Response:
    return page(request, "sign_in_gone", 404)


@router.post("/sign-in/{token}")
async def enter(token: Token, request: Request, parts: House) -> Response:
    """Begin a session, always a new one."""
    fields, cookies = await fields_of(request), cookies_of(request)
    nonce = cookies.read(request, cookies.form)
    if not is_csrf_of(nonce, fields.get("token", "")):
        return message(request, "That didn't work", _FORGED, 403, back=SAME_PAGE)
    code = "".join(fields.get("code", "").split())[:20]
    entered = await parts.sessions.sign_in(token, nonce, code)
    if entered is Refusal.GONE:
        return _gone(request)
    if isinstance(entered, Refusal):
        problem = "This is not the code of the mail." if code else ""
        return _entering(request, nonce, True, 403, problem)
    await _end(request, parts, cookies)
    response = see_other(entered.goal)
    cookies.put(response, {cookies.session: entered.token})
    cookies.drop(response, cookies.form)
    return response


@router.post("/ui/sign-out")
async def sign_out(request: Request, parts: House) -> Response:
    """End the session, on the server and in the browser."""
    cookies = cookies_of(request)
    session = cookies.read(request, cookies.session)
    if not is_csrf_of(session, (await fields_of(request)).get("token", "")):
        return message(request, "That didn't work", _FORGED, 403, back=("/", "Back to the tickets"))
    await _end(request, parts, cookies)
    response = see_other("/sign-in")
    cookies.drop(response, cookies.session)
    return response


async def _end(request: Request, parts: Parts, cookies: Cookies) -> None:
    if session := cookies.read(request, cookies.session):
        await parts.sessions.end(session)


_FORGED: Final = "The form was too old, or cookies are off in this browser. Please try again."
