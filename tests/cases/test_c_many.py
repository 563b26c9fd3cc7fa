"""C, many: Home with five hundred tickets."""

from __future__ import annotations

import json

from bot.api import Api
from bot.directory import Directory
from bot.home_reads import Reads
from core.home_lists import Tab, Wanted
from core.parts import build
from sandbox import TRIAGE, Sandbox
from tests.core.desk import ANN, MAIL, SLACK, TestDesk
from tests.core.filling import fill
from tests.stores import QUEUE, Store


async def test_C25_five_hundred_assigned_tickets_in_pages(store: Store, box: Sandbox) -> None:
    """Slack takes each page, with its hundred blocks and less; together they have each ticket once, in order."""
    slack = {"enabled": True, "bot_token": box.bot_token, "app_token": box.app_token, "api_url": box.api_url}
    desk = await TestDesk.open(store, slack=slack, queue=[{**QUEUE, "slack_channel": TRIAGE}])
    parts = build(desk.config, {"email": MAIL, "slack": SLACK}, desk.clock)
    api = Api(desk.config)
    try:
        ann, ada = (await desk.people.known(ANN)).user_id, (await desk.staff()).user_id
        long = "<&>*" * 60
        await fill(
            desk, 500, ann, lambda n: {"title": f"T{n:03} {long}"[:255], "status": "open", "assignee_id": ada}
        )
        reads, user = Reads(parts, api, Directory(api)), box.workspace.user("ada")
        seen: list[str] = []
        for page in range(1, 51):
            view = await reads.view(user.id, Wanted(tab=Tab.MINE, page=page))
            assert len(view["blocks"]) <= 100
            await api.call("views.publish", user_id=user.id, view=view)
            shown = json.dumps(view["blocks"])
            assert f"{page * 10 - 9}\\u2013{page * 10} of 500" in shown
            seen += [f"T{n:03}" for n in range(500) if f" T{n:03} " in shown]
        assert sorted(seen) == [f"T{n:03}" for n in range(500)]
    finally:
        await api.close()
        await parts.database.close()
        await desk.close()
