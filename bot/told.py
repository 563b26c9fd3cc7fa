"""What requesters are told in Slack, in their language: texts, and the buttons that go with some. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.blocks import Json, Look, Post, actions, button, first_words, plain, section, texts_only, titled
from bot.markup import brief, escape
from bot.staff_told import news
from core.bundling import WHAT
from core.shapes import Outgoing
from core.slack_texts import heard
from core.status import Ticket

WORDS: Final = 600  # characters of the words that a receipt repeats
SCORES: Final = (1, 2, 3, 4, 5)

# By `data["what"]`; `ask` and what follows are parts of others, the last four of posts (`bot.thread_posts`). Each has
# each of English's. An operator's own come before them (`core.slack_texts`).
TEXTS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "ack": "Thank you, we have your message: it's ticket #{id}. Answers come here, in this thread.",
        "resolved": "Ticket #{id} is resolved. If something is still open, just write here.",
        "closed": "Ticket #{id} is closed. If you need us again, just write here.",
        "auto_closed": "We haven't heard from you, so ticket #{id} is closed. If you need us again, just write here.",
        "reopened": "Ticket #{id} is open again.",
        "reminder": "We're waiting for your answer in ticket #{id}. Without one it will be closed in a while.",
        "reminder_only": "We're waiting for your answer in ticket #{id}.",
        "waiting": "We're waiting for your answer in ticket #{id} to go on with it. Just write here.",
        "merged": "Ticket #{id} goes on as #{into}: the two are about the same. You can go on writing here.",
        "rated": "Thank you! You gave {score} of 5 for ticket #{id}.",
        "ask": "How did we do?",
        "comment": "Add a comment",
        "belongs": "This belongs to #{other}",
        "offer": "Is it about something that you asked already?",
        "taken_back": "This message was deleted.",
        "late": "came late: written before what stands above",
        "edited": "(edited)",
        "goes_on": "the text goes on: the whole of it is in {file}, below",
    },
    "de": {
        "ack": "Danke, Ihre Nachricht ist da: Sie ist Ticket #{id}. Antworten kommen hier, in diesem Thread.",
        "resolved": "Ticket #{id} ist gelöst. Falls noch etwas offen ist, schreiben Sie einfach hier.",
        "closed": "Ticket #{id} ist geschlossen. Wenn Sie uns wieder brauchen, schreiben Sie einfach hier.",
        "auto_closed": "Wir haben nichts mehr von Ihnen gehört, deshalb ist Ticket #{id} geschlossen. "
        "Wenn Sie uns wieder brauchen, schreiben Sie einfach hier.",
        "reopened": "Ticket #{id} ist wieder offen.",
        "reminder": "Wir warten in Ticket #{id} auf Ihre Antwort. Ohne sie wird es nach einiger Zeit geschlossen.",
        "reminder_only": "Wir warten in Ticket #{id} auf Ihre Antwort.",
        "waiting": "Wir warten in Ticket #{id} auf Ihre Antwort, um weiterzumachen. Schreiben Sie einfach hier.",
        "merged": "Ticket #{id} geht als #{into} weiter: Beide betreffen dasselbe. Sie können weiter hier schreiben.",
        "rated": "Danke! Sie haben Ticket #{id} mit {score} von 5 bewertet.",
        "ask": "Wie waren wir?",
        "comment": "Kommentar hinzufügen",
        "belongs": "Das gehört zu #{other}",
        "offer": "Geht es um etwas, das Sie schon gefragt haben?",
        "taken_back": "Diese Nachricht wurde gelöscht.",
        "late": "kam spät: vor dem geschrieben, was darüber steht",
        "edited": "(bearbeitet)",
        "goes_on": "der Text geht weiter: Der ganze steht unten in {file}",
    },
    "fr": {
        "ack": "Merci, nous avons bien reçu votre message : c'est le ticket #{id}. "
        "Les réponses arrivent ici, dans ce fil.",
        "resolved": "Le ticket #{id} est résolu. S'il reste quelque chose, écrivez simplement ici.",
        "closed": "Le ticket #{id} est fermé. Si vous avez encore besoin de nous, écrivez simplement ici.",
        "auto_closed": "Nous n'avons plus eu de vos nouvelles, le ticket #{id} est donc fermé. "
        "Si vous avez encore besoin de nous, écrivez simplement ici.",
        "reopened": "Le ticket #{id} est de nouveau ouvert.",
        "reminder": "Nous attendons votre réponse au ticket #{id}. Sans elle, il sera fermé dans quelque temps.",
        "reminder_only": "Nous attendons votre réponse au ticket #{id}.",
        "waiting": "Nous attendons votre réponse pour continuer le ticket #{id}. Écrivez simplement ici.",
        "merged": "Le ticket #{id} continue sous le #{into} : les deux concernent la même chose. "
        "Vous pouvez continuer à écrire ici.",
        "rated": "Merci ! Vous avez donné {score} sur 5 au ticket #{id}.",
        "ask": "Étiez-vous satisfait ?",
        "comment": "Ajouter un commentaire",
        "belongs": "Cela concerne le #{other}",
        "offer": "Est-ce à propos d'une demande déjà faite ?",
        "taken_back": "Ce message a été supprimé.",
        "late": "arrivé tard : écrit avant ce qui précède",
        "edited": "(modifié)",
        "goes_on": "le texte continue : il est en entier dans {file}, ci-dessous",
    },
    "es": {
        "ack": "Gracias, hemos recibido su mensaje: es el ticket #{id}. Las respuestas llegan aquí, en este hilo.",
        "resolved": "El ticket #{id} está resuelto. Si queda algo pendiente, escriba aquí.",
        "closed": "El ticket #{id} está cerrado. Si nos necesita de nuevo, escriba aquí.",
        "auto_closed": "No hemos tenido noticias suyas, por eso el ticket #{id} está cerrado. "
        "Si nos necesita de nuevo, escriba aquí.",
        "reopened": "El ticket #{id} está abierto de nuevo.",
        "reminder": "Esperamos su respuesta en el ticket #{id}. Sin ella se cerrará dentro de un tiempo.",
        "reminder_only": "Esperamos su respuesta en el ticket #{id}.",
        "waiting": "Esperamos su respuesta para seguir con el ticket #{id}. Escriba aquí.",
        "merged": "El ticket #{id} sigue como #{into}: los dos tratan de lo mismo. Puede seguir escribiendo aquí.",
        "rated": "¡Gracias! Ha dado al ticket #{id} un {score} de 5.",
        "ask": "¿Qué tal lo hicimos?",
        "comment": "Añadir un comentario",
        "belongs": "Esto es parte del #{other}",
        "offer": "¿Se trata de algo que ya preguntó?",
        "taken_back": "Este mensaje se ha eliminado.",
        "late": "llegó tarde: se escribió antes de lo que está arriba",
        "edited": "(editado)",
        "goes_on": "el texto continúa: está completo en {file}, abajo",
    },
}
KNOWN: Final = (
    "ack",
    "resolved",
    "closed",
    "auto_closed",
    "reopened",
    "waiting",
    "merged",
    "reminder",
    "rated",
)


def told(outgoing: Outgoing, look: Look) -> Post:
    """A fixed text to a requester, in plain words; what is nobody's template comes as it is."""
    data, what = outgoing.data, str(outgoing.data.get("what") or "")
    if what == WHAT:
        return news(outgoing, look)
    if ready := data.get("text"):
        return texts_only(escape(str(ready)))
    if what not in KNOWN or outgoing.ticket is None:
        about = f": {titled(outgoing.ticket)}" if outgoing.ticket else ""
        text = f"{what.replace('_', ' ') or 'news'}{about}"
        return texts_only(escape(text[:1].upper() + text[1:]))
    texts = theirs(outgoing, look)
    ticket: Ticket = outgoing.ticket
    named = "reminder_only" if what == "reminder" and data.get("closes") is False else what
    text = texts[named].format(id=ticket.id, score=_number(data.get("score")), into=_number(data.get("into")))
    more = [*_shown(ticket, what, data), *_controls(ticket, what, data, texts)]
    return Post(text, (section(text), *more)) if more else Post(text)


def theirs(outgoing: Outgoing, look: Look) -> Mapping[str, str]:
    """Return the texts for a requester, each in the language that their queue has, else in theirs, else in the
    service's, whichever first has it."""
    return heard(look.languages_for(outgoing.queue, outgoing.language), TEXTS, look.texts)


def _shown(ticket: Ticket, what: str, data: Any) -> list[Json]:
    """What was asked, where the thread would make no sense without: a form's ticket, or one of another's message."""
    if what != "ack" or not data.get("shown"):
        return []
    blocks: list[Json] = [{"type": "section", "text": plain(titled(ticket))}]
    if words := first_words(ticket, WORDS):
        blocks.append(section(f">{words}"))
    return blocks


def _controls(ticket: Ticket, what: str, data: Any, texts: Mapping[str, str]) -> list[Json]:
    if what == "ack" and (other := _offered(data)):
        label = f"{texts['belongs'].format(other=other)}: {brief(str(data['offer'].get('title') or ''), 40)}"
        merge = button(label.removesuffix(": "), "belongs", str(other))
        return [section(texts["offer"].format()), actions(f"ticket:{ticket.id}:ack", [merge])]
    given = str(_number(data.get("score")) or "-")  # what the form chooses beforehand, where there is a score
    comment = button(texts["comment"].format(), "rate_comment", given)
    if what == "resolved" and data.get("rate"):
        stars = [button("★" * score, f"rate:{score}", str(score)) for score in SCORES]
        return [section(texts["ask"].format()), actions(f"ticket:{ticket.id}:rate", [*stars, comment])]
    if what == "rated":
        return [actions(f"ticket:{ticket.id}:rated", [comment])]
    return []


def _offered(data: Any) -> int:
    offer = data.get("offer")
    return _number(offer.get("id")) if isinstance(offer, dict) else 0


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
