"""In which language somebody wrote."""

from __future__ import annotations

import time

import pytest

from intake.email.language import language_of
from tests.mail.written import parsed

EN = "Hello, I can not print any more. Could you please have a look at the printer? It was fine with the old paper."
DE = "Guten Tag, seit heute kann ich nicht mehr drucken. Können Sie bitte nach dem Drucker sehen? Vielen Dank und Grüße"
FR = "Bonjour, je ne peux plus imprimer depuis hier. Pouvez-vous regarder notre imprimante ? Merci pour votre aide"
ES = "Hola, no puedo imprimir desde ayer. ¿Pueden mirar la impresora, por favor? Muchas gracias por su ayuda y saludos"


@pytest.mark.parametrize(("text", "language"), [(EN, "en"), (DE, "de"), (FR, "fr"), (ES, "es")])
def test_by_its_words(text: str, language: str) -> None:
    """Plain sentences of four languages, also where the program's menus speak another."""
    assert language_of(parsed().headers, text) == language
    assert language_of(parsed(content_language="it-IT").headers, text) == language


@pytest.mark.parametrize(
    ("fields", "text", "language"),
    [
        ({"content_language": "de-DE"}, "Drucker kaputt", "de"),
        ({"content_language": "pt-BR, en"}, "Ola", "pt"),
        ({"content_language": "fr"}, "It burns. Please help.", "fr"),
        ({"accept_language": "es-ES, en-US;q=0.8"}, "ok", "es"),
        ({"accept_language": "fr-FR", "content_language": "de-AT"}, "ok", "de"),
        ({"accept_language": "fr-FR"}, "Bitte nicht mehr anrufen", "de"),
        ({"content_language": "x-klingon"}, "ok", ""),
        ({"content_language": "und"}, "ok", ""),
        ({}, "", ""),
        ({}, "12345 !!!", ""),
        ({}, "la de", ""),
        ({}, "プリンターが動きません", ""),
    ],
)
def test_by_what_it_says(fields: dict[str, str], text: str, language: str) -> None:
    """Few words leave it to the fields; what means nothing is nothing."""
    assert language_of(parsed(**fields).headers, text) == language


@pytest.mark.parametrize("piece", ["the ", "x" * 100, " ", "ä", "'"])
def test_it_takes_no_time(piece: str) -> None:
    """Whatever a stranger writes."""
    headers = parsed(content_language=piece * 2_000).headers
    started = time.process_time()
    language_of(headers, piece * 300_000)
    assert time.process_time() - started < 0.2
