"""Files: uploads in three steps, a scan that takes its time, and downloads that need a token.

docs.slack.dev/messaging/working-with-files; the delayed mimetype and shares: python-slack-sdk issues 1277, 1329.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.shapes import File, SlackError

if TYPE_CHECKING:
    from sandbox.workspace import Workspace


class Files:
    """All files of a workspace, and the uploads that aren't complete yet."""

    def __init__(self, space: Workspace) -> None:
        self._space = space
        self.all: dict[str, File] = {}
        self.tickets: dict[str, str] = {}
        self.scan_delay = 0.15
        """Seconds from completing an upload until the file is posted and knows its type."""
        self.redirect_to: str | None = None
        """Where downloads are redirected to (302), when set."""
        self._scans = 0

    def add(self, user: str, name: str, content: bytes) -> File:
        """A file that a person attaches in their client."""
        file = File(self._space.ids.make("F"), name, name, user, content, length=len(content))
        file.mimetype = guess_type(name)
        file.created = self._space.now()
        self.all[file.id] = file
        return file

    def announce(self, user: str, name: str, length: int, alt_txt: str = "") -> tuple[File, str]:
        """Step one of an upload: the file that's to come, and the ticket in its upload_url."""
        file = self.add(user, name, b"")
        file.length, file.alt_txt = length, alt_txt
        file.scanned = file.uploaded = file.completed = False
        ticket = self._space.ids.make("CwABAAAA")
        self.tickets[ticket] = file.id
        return file, ticket

    def get(self, file_id: str) -> File:
        file = self.all.get(file_id)
        if file is None:
            raise SlackError("file_not_found")
        if file.deleted:
            raise SlackError("file_deleted")
        return file

    def after_scan(self, files: list[File], then: Callable[[], None]) -> None:
        """Let the scan finish: later the files know their types, and `then` posts them."""

        def scanned() -> None:
            self._scans -= 1
            for file in files:
                file.scanned = True
            then()
            self._space.pulse.beat()

        self._scans += 1
        self._space.timers.after(self.scan_delay, scanned)

    @property
    def scanning(self) -> bool:
        return bool(self._scans)

    def delete(self, file: File) -> None:
        """The file goes; messages that carried it keep a tombstone of it."""
        before = self._space.as_shown(file.shares)
        file.deleted = True
        file.content = b""
        self._space.show_again(before)
        event = {"type": "file_deleted", "file_id": file.id, "channel_ids": list(file.shares)}
        self._space.emit(event | {"event_ts": self._space.ids.ts()}, "file_deleted")
        self._space.pulse.beat()


def guess_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
