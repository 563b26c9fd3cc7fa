"""What strangers write to do harm: one list for every way out."""

from __future__ import annotations

from typing import Final

XSS: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "</title><svg onload=alert(1)>",
)
# What Slack would take for a call, a mention or a link of ours.
SLACK: Final = ("<!channel>", "<!everyone> <@U1ADA>", "<https://evil.example|our page>", "&lt;!here&gt;")
# What steers a terminal, begins a line of a log, or turns what is read around.
STEERING: Final = (
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31mred",
    'a\r\n{"event": "ready"}',
    "b\u2028c\u202edrow\u2066",
)
EVERYTHING: Final = (*XSS, *SLACK, *STEERING)
