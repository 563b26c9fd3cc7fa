"""Who somebody is by Slack: OpenID Connect as the party that relies on it.

`slack.com/.well-known/openid-configuration` names the addresses below, RS256, and one issuer. Where the configuration
points the API elsewhere, all of them are there; the issuer stays Slack's. No PKCE: Slack takes it only from apps that
were turned into public clients for good; a code is of no use to others here because the signed token repeats a nonce
that only the browser which asked can have made.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from core.config import Config
from core.failures import Unavailable
from core.sessions import safe_path
from core.shapes import Person

ISSUER: Final = "https://slack.com"
SCOPES: Final = "openid profile email"
LIVES: Final = timedelta(minutes=10)  # from the button to the way back
LEEWAY: Final = 30  # seconds that Slack's clock and ours may differ
_TEAM, _USER = "https://slack.com/team_id", "https://slack.com/user_id"
_OTHERS: Final = (
    "is_restricted",
    "is_ultra_restricted",
    "is_stranger",
    "is_bot",
    "is_workflow_bot",
    "deleted",
)
_MOST: Final = 262_144  # bytes of an answer
_LONGEST_STATE: Final = 1_000
Json = dict[str, Any]


class NotVouched(Exception):
    """Slack doesn't say that this is a full member of our team; the message is for the log, without anybody's data."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. `email`: "" where Slack hasn't verified one."""

    team: str
    user: str
    name: str
    email: str


def offered(config: Config) -> bool:
    """Whether people may sign in with Slack: the app's credentials are there, and a token to look people up. Pure."""
    slack = config.slack
    return bool(slack.enabled and slack.client_id and slack.client_secret and slack.bot_token)


# -- the state: bound to the browser, without anything kept here ---------------------------------------------------


def state_for(nonce: str, dice: str, goal: str, now: datetime) -> str:
    """Return a state that only the browser with this form cookie can bring back. `dice`: random, of letters. Pure."""
    kept = base64.urlsafe_b64encode(goal.encode()).decode().rstrip("=")
    body = f"{int(now.timestamp())}.{dice}.{kept}"
    return f"{body}.{_mac(nonce, 'state', body)}"


@dataclass(frozen=True, slots=True)
class State:
    """A state that came back to the right browser in time. `nonce`: what the token must repeat."""

    goal: str
    nonce: str


def state_of(nonce: str, state: str, now: datetime) -> State | None:
    """Read a state; None where it isn't this browser's or too old. Pure."""
    body, _, mac = state[:_LONGEST_STATE].rpartition(".")
    if not nonce or not hmac.compare_digest(mac.encode(), _mac(nonce, "state", body).encode()):
        return None
    at, dice, kept = body.split(".")
    if not timedelta() <= now - datetime.fromtimestamp(int(at), now.tzinfo) < LIVES:
        return None
    goal = base64.urlsafe_b64decode(kept + "=" * (-len(kept) % 4)).decode()
    return State(safe_path(goal), token_nonce(nonce, dice))


def token_nonce(nonce: str, dice: str) -> str:
    """Return what Slack shall repeat in the token. Pure."""
    return _mac(nonce, "nonce", dice)


def _mac(nonce: str, purpose: str, text: str) -> str:
    message = f"relaydesk slack {purpose}\0{text}".encode("utf-8", "surrogatepass")
    return hmac.new(nonce.encode("utf-8", "surrogatepass"), message, sha256).hexdigest()


# -- the addresses ------------------------------------------------------------------------------------------------


def back_url(config: Config) -> str:
    """Return where Slack sends the browser back to. Pure."""
    return f"{config.service.base_url.rstrip('/')}/sign-in/slack/back"


def authorize_url(config: Config, state: str, nonce: str) -> str:
    """Return where the browser goes. Pure."""
    asked = {
        "response_type": "code",
        "scope": SCOPES,
        "client_id": config.slack.client_id,
        "redirect_uri": back_url(config),
        "state": state,
        "nonce": nonce,
    }
    return f"{urljoin(config.slack.api_url, '/openid/connect/authorize')}?{urlencode(asked)}"


# -- the token ----------------------------------------------------------------------------------------------------


def claims_of(token: str, keys: Mapping[str, Any], client_id: str, nonce: str, now: datetime) -> Claims:
    """Return what a token says, signed by one of Slack's keys, for us, now and for this browser. Raises
    `NotVouched`. Pure."""
    from joserfc import errors, jwt
    from joserfc.jwk import KeySet

    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": client_id},
        nonce={"essential": True, "value": nonce},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
    )
    try:
        read = jwt.decode(token, KeySet.import_key_set({"keys": list(keys["keys"])}), algorithms=["RS256"])
        registry.validate(read.claims)
    except (errors.JoseError, ValueError, KeyError, TypeError, AttributeError) as exc:
        claim = getattr(exc, "claim", "")
        raise NotVouched(f"the token is no good: {type(exc).__name__} {claim}".rstrip()) from exc
    claims = read.claims
    if claims["aud"] not in (client_id, [client_id]):
        raise NotVouched("the token is for others, too")
    team, user = str(claims.get(_TEAM) or ""), str(claims.get(_USER) or "")
    if not team or not user:
        raise NotVouched("the token names no member of a team")
    email = str(claims.get("email") or "") if claims.get("email_verified") is True else ""
    return Claims(team=team, user=user, name=str(claims.get("name") or "")[:200], email=email.strip().lower())


def person_of(claims: Claims, home: str, user: Mapping[str, Any]) -> Person:
    """Return the person that they are in our team, as `users.info` shows them. Raises `NotVouched` for guests, bots,
    who has left, and who is of another team. Pure."""
    team = str(user.get("team_id") or (user.get("profile") or {}).get("team") or "")
    if not home or claims.team != home or team != home or user.get("id") != claims.user:
        raise NotVouched("of another team")
    if any(user.get(name) for name in _OTHERS):
        raise NotVouched("no full member of the team")
    address = f"{home}/{claims.user}"
    return Person(
        kind="slack",
        address=address,
        name=claims.name,
        email=claims.email or None,
        team=home,
        guest=False,
        place=address,
    )


# -- the wire -----------------------------------------------------------------------------------------------------


async def person_for(config: Config, code: str, nonce: str, now: datetime) -> Person:
    """Return who came back from Slack with this code. Raises `NotVouched`, and `Unavailable` where Slack is away."""
    import aiohttp

    slack = config.slack
    timeout = aiohttp.ClientTimeout(total=slack.ask_timeout.total_seconds())
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=not _loopback(slack.api_url)) as session:
            asking = _Asking(session, slack.api_url, slack.bot_token)
            exchange = {
                "client_id": slack.client_id,
                "client_secret": slack.client_secret,
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": back_url(config),
            }
            answer = await asking.call("openid.connect.token", exchange, signed=False)
            keys = await asking.read("GET", urljoin(slack.api_url, "/openid/connect/keys"), {}, {})
            claims = claims_of(str(answer.get("id_token") or ""), keys, slack.client_id, nonce, now)
            home = str((await asking.call("auth.test", {})).get("team_id") or "")
            if claims.team != home:  # the bot can't look up whom it doesn't share a team with
                raise NotVouched("of another team")
            told = await asking.call("users.info", {"user": claims.user})
            user = told.get("user")
            return person_of(claims, home, user if isinstance(user, dict) else {})
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise Unavailable("Slack can't be asked now") from exc


@dataclass(frozen=True, slots=True)
class _Asking:
    """Calls of Slack, none of which is redirected: secrets go to the configured address and nowhere else."""

    session: Any  # aiohttp's, which is imported where it is used
    url: str
    token: str

    async def call(self, method: str, form: Mapping[str, str], *, signed: bool = True) -> Json:
        """Call a method of the Web API. Raises `NotVouched` where it refuses."""
        headers = {"Authorization": f"Bearer {self.token}"} if signed else {}
        answer = await self.read("POST", urljoin(self.url, method), headers, form)
        if answer.get("ok") is not True:
            raise NotVouched(f"{method}: {str(answer.get('error') or 'refused')[:60]}")
        return answer

    async def read(self, verb: str, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Json:
        """Return the JSON object at an address. Raises `Unavailable` for anything else."""
        data = form or None
        async with self.session.request(
            verb, url, data=data, headers=headers, allow_redirects=False
        ) as answer:
            body = await answer.content.read(_MOST)
            while len(body) < _MOST and (more := await answer.content.read(_MOST)):
                body += more
            try:
                found = json.loads(body) if answer.status == 200 else None
            except ValueError:
                found = None
        if not isinstance(found, dict):
            raise Unavailable(f"Slack answers {answer.status}")
        return found


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
