"""What the mutations begin with: mails of our own, one of each kind that the reader knows, and the sample mails."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.mail import tnef_samples
from tests.mail.written import mail, multipart

_TEXT = "Content-Type: text/plain; charset=utf-8\r\n\r\n"
_HTML = "Content-Type: text/html; charset=utf-8\r\n\r\n"
_ICS = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Visit\r\nDTSTART;TZID=Europe/Berlin:20260803T100000\r\n"
    "DURATION:PT1H\r\nRRULE:FREQ=SECONDLY\r\nORGANIZER;CN=Ada:mailto:ada@x.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
_REPORT = (
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.x.example\r\n\r\n"
    "Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n"
)
_TNEF = tnef_samples.tnef(
    {
        tnef_samples.BODY: "Packed",
        tnef_samples.RTF: tnef_samples.stored_rtf(rb"{\rtf1\ansi\fromhtml1{\*\htmltag <p>}Hi\'e9\u8364 ?}"),
    },
    [("a.txt", b"data", {tnef_samples.LONG_NAME: "ä.txt", tnef_samples.CONTENT_ID: "c@x"})],
)
_SIGNED = bytes.fromhex("302506092a864886f70d010702a01830160201013100300d06092a864886f70d010701a000")


def own() -> list[bytes]:
    """Return the mails of our own."""
    picture = (
        "Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"\x89PNG\r\n" + bytes(60)).decode()
    )
    return [
        mail("Hello\n\nOn Mon, 4 May 2026 at 10:00, Bob <bob@x.example> wrote:\n> Hi\n> there\n-- \nAda\n"),
        mail("caf=C3=A9=\n!", content_type="text/plain; charset=utf-8", content_transfer_encoding="quoted-printable"),
        mail("\x1b$B$3$s\x1b(B", content_type="text/plain; charset=iso-2022-jp",
             subject="=?iso-2022-jp?B?GyRCJDMbKEI=?="),
        mail("one \ntwo\n> q \n", content_type="text/plain; format=flowed; delsp=yes"),
        mail("x\nbegin 644 a.txt\n#8V%T\n`\nend\ny\n", subject="=?utf-8?q?J=C3=B6?= =?utf-8?b?w7Y=?="),
        mail("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHi\n-----BEGIN PGP SIGNATURE-----\nx\n"
             "-----END PGP SIGNATURE-----\n"),
        mail(_SIGNED, content_type="application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"),
        multipart("alternative", _TEXT + "plain", _HTML + "<p>rich <img src=cid:a@x></p><blockquote>old</blockquote>"),
        multipart(
            "related",
            _HTML + '<p>see <img src="cid:a@x"> <img src="http://x.example/l.png"></p>',
            f"Content-Type: image/png; name*=utf-8''%C3%A4.png\r\nContent-ID: <a@x>\r\n{picture}",
            f"Content-Type: image/png\r\nContent-Location: http://x.example/l.png\r\n{picture}",
        ),
        multipart("mixed", _TEXT + "see", "Content-Type: text/calendar; method=REQUEST\r\n\r\n" + _ICS),
        multipart("mixed", _TEXT + "", b'Content-Type: application/ms-tnef; name="winmail.dat"\r\n\r\n' + _TNEF),
        multipart("mixed", _TEXT + "see",
                  "Content-Type: message/rfc822\r\n\r\nSubject: In\r\n\r\nhi", _TEXT + "footer"),
        multipart("report; report-type=delivery-status", _TEXT + "could not be delivered", _REPORT,
                  "Content-Type: message/rfc822\r\n\r\nMessage-ID: <ticket.1.2.ab@example.com>\r\n\r\nHi",
                  from_="mailer-daemon@x.example"),
        multipart("report; report-type=feedback-report", _TEXT + "spam",
                  "Content-Type: message/feedback-report\r\n\r\nOriginal-Rcpt-To: a@x.example\r\n"),
        mail('{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a@x.example"}]}}'),
    ]  # fmt: skip


def samples(folder: Path) -> list[bytes]:
    """Return the sample mails, winmail.dat files wrapped into one; none where the folder isn't there."""
    found = [path.read_bytes() for path in sorted(folder.glob("**/*.eml"))]
    for path in sorted(folder.glob("tnef/*.tnef")):
        content = path.read_bytes()
        if len(content) < 200_000:
            found.append(multipart("mixed", _TEXT, b"Content-Type: application/ms-tnef\r\n\r\n" + content))
    return found
