"""A Slack workspace and a mailbox on loopback, to try and to test the whole desk without accounts.

It imports nothing of the desk: it speaks the wire. What it does stands on Slack's public documentation; nothing here
was compared with slack.com itself.
"""

from sandbox.box import Sandbox
from sandbox.mailbox import Mail, Mailbox
from sandbox.shapes import BOT_USER, GENERAL, TEAM, TRIAGE, Answer, Call, Message, SlackError

__all__ = [
    "BOT_USER",
    "GENERAL",
    "TEAM",
    "TRIAGE",
    "Answer",
    "Call",
    "Mail",
    "Mailbox",
    "Message",
    "Sandbox",
    "SlackError",
]
