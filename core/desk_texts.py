"""The lines that the desk's threads get about what was done to a ticket elsewhere, in the service's language; and the
thanks for a rating where nothing else says them, in its giver's.

Ours stand here; an operator's own (`[slack.texts.LANGUAGE]`) come before them. Statuses, priorities and tags stay the
words that commands take. What tells of trouble, and how to mend it, is English only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from core.slack_texts import spoken

if TYPE_CHECKING:
    from core.config import Config

# Each language has each of English's, with the gaps that `core.slack_texts.GAPS` names.
TEXTS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "noted": "Thank you, your rating is noted: {score} of 5.",
        "line_status": "{who} set the status to {status}.",
        "line_assigned": "{who} assigned this to {name}.",
        "line_unassigned": "{who} assigned this to nobody.",
        "line_priority": "{who} set the priority to {priority}.",
        "line_title": "{who} changed the title to: {title}",
        "line_tagged": "{who} tagged this: {tags}",
        "line_untagged": "{who} untagged this: {tags}",
        "line_moved": "{who} moved this from {before} to {after}.",
        "line_moved_away": "{who} moved this from {before} to {after}. It goes on there.",
        "line_rated": "{who} rated this {score} of 5.",
        "line_commented": "{who} rated this {score} of 5: {comment}",
        "line_snoozed": "{who} put this aside until {until}.",
        "line_unsnoozed": "{who} ended the snooze.",
        "line_woken": "{who} wrote, so the snooze is over.",
        "line_woke": "The snooze is over: this ticket is here again.",
        "line_spam": "{who} marked this as spam. It's closed, and the requester hears nothing.",
        "line_no_spam": "{who} says this is no spam. It's {status} again.",
        "line_merged": "{who}: merged into #{into}.",
        "line_merged_here": "{who}: #{other} was merged into this one.",
        "line_linked": "{who} linked this with #{other}: {title}",
        "line_near": "Target near: the {target} is due {due}.",
        "line_missed": "Target missed: the {target} was due {due}.",
    },
    "de": {
        "noted": "Danke, Ihre Bewertung ist notiert: {score} von 5.",
        "line_status": "{who} hat den Status auf {status} gesetzt.",
        "line_assigned": "{who} hat dies {name} zugewiesen.",
        "line_unassigned": "{who} hat dies niemandem zugewiesen.",
        "line_priority": "{who} hat die Priorität auf {priority} gesetzt.",
        "line_title": "{who} hat den Titel geändert: {title}",
        "line_tagged": "{who} hat dies markiert: {tags}",
        "line_untagged": "{who} hat Markierungen entfernt: {tags}",
        "line_moved": "{who} hat dies von {before} nach {after} verschoben.",
        "line_moved_away": "{who} hat dies von {before} nach {after} verschoben. Dort geht es weiter.",
        "line_rated": "{who} hat dies mit {score} von 5 bewertet.",
        "line_commented": "{who} hat dies mit {score} von 5 bewertet: {comment}",
        "line_snoozed": "{who} hat dies bis {until} zurückgestellt.",
        "line_unsnoozed": "{who} hat die Zurückstellung beendet.",
        "line_woken": "{who} hat geschrieben, also ist dieses Ticket nicht mehr zurückgestellt.",
        "line_woke": "Die Zurückstellung ist vorbei: Dieses Ticket ist wieder da.",
        "line_spam": "{who} hat dies als Spam markiert. Es ist geschlossen; wer angefragt hat, hört nichts.",
        "line_no_spam": "{who} sagt, dass dies kein Spam ist. Es ist wieder {status}.",
        "line_merged": "{who} hat dies mit #{into} zusammengeführt.",
        "line_merged_here": "{who} hat #{other} mit diesem zusammengeführt.",
        "line_linked": "{who} hat dies mit #{other} verknüpft: {title}",
        "line_near": "Ziel bald erreicht: {target} fällig {due}.",
        "line_missed": "Ziel verfehlt: {target} war fällig {due}.",
    },
    "fr": {
        "noted": "Merci, votre note est enregistrée : {score} sur 5.",
        "line_status": "{who} a mis l'état à {status}.",
        "line_assigned": "{who} a attribué ceci à {name}.",
        "line_unassigned": "{who} n'attribue plus ceci à personne.",
        "line_priority": "{who} a mis la priorité à {priority}.",
        "line_title": "{who} a changé le titre : {title}",
        "line_tagged": "{who} a ajouté des étiquettes : {tags}",
        "line_untagged": "{who} a retiré des étiquettes : {tags}",
        "line_moved": "{who} a déplacé ceci de {before} vers {after}.",
        "line_moved_away": "{who} a déplacé ceci de {before} vers {after}. La suite se passe là-bas.",
        "line_rated": "{who} a donné {score} sur 5.",
        "line_commented": "{who} a donné {score} sur 5 : {comment}",
        "line_snoozed": "{who} a mis ceci de côté jusqu'au {until}.",
        "line_unsnoozed": "{who} a mis fin à la mise de côté.",
        "line_woken": "{who} a écrit, ce ticket n'est donc plus mis de côté.",
        "line_woke": "La mise de côté est terminée : ce ticket est de retour.",
        "line_spam": "{who} a signalé ceci comme indésirable. C'est fermé, et le demandeur n'en est pas informé.",
        "line_no_spam": "{who} dit que ceci n'est pas indésirable. L'état est de nouveau {status}.",
        "line_merged": "{who} a fusionné ceci avec le #{into}.",
        "line_merged_here": "{who} a fusionné le #{other} avec celui-ci.",
        "line_linked": "{who} a lié ceci au #{other} : {title}",
        "line_near": "Échéance proche : {target} pour le {due}.",
        "line_missed": "Échéance dépassée : {target} pour le {due}.",
    },
    "es": {
        "noted": "Gracias, su valoración queda anotada: {score} de 5.",
        "line_status": "{who} ha cambiado el estado a {status}.",
        "line_assigned": "{who} ha asignado esto a {name}.",
        "line_unassigned": "{who} ha dejado esto sin asignar.",
        "line_priority": "{who} ha cambiado la prioridad a {priority}.",
        "line_title": "{who} ha cambiado el título: {title}",
        "line_tagged": "{who} ha añadido etiquetas: {tags}",
        "line_untagged": "{who} ha quitado etiquetas: {tags}",
        "line_moved": "{who} ha movido esto de {before} a {after}.",
        "line_moved_away": "{who} ha movido esto de {before} a {after}. Continúa allí.",
        "line_rated": "{who} ha valorado esto con un {score} de 5.",
        "line_commented": "{who} ha valorado esto con un {score} de 5: {comment}",
        "line_snoozed": "{who} ha aplazado esto hasta el {until}.",
        "line_unsnoozed": "{who} ha terminado el aplazamiento.",
        "line_woken": "{who} ha escrito, así que el aplazamiento ha terminado.",
        "line_woke": "El aplazamiento ha terminado: este ticket está aquí de nuevo.",
        "line_spam": "{who} ha marcado esto como spam. Está cerrado y no se informa al solicitante.",
        "line_no_spam": "{who} dice que esto no es spam. Vuelve a estar en {status}.",
        "line_merged": "{who} ha unido esto al #{into}.",
        "line_merged_here": "{who} ha unido el #{other} a este.",
        "line_linked": "{who} ha vinculado esto con el #{other}: {title}",
        "line_near": "Plazo próximo: {target} para el {due}.",
        "line_missed": "Plazo vencido: {target} para el {due}.",
    },
}
# What `{target}` says: the same words as in the news that people get personally, and replaced with these.
TARGETS: Final[dict[str, dict[str, str]]] = {
    "en": {"first": "first response", "next": "next response", "resolve": "resolution"},
    "de": {"first": "erste Antwort", "next": "nächste Antwort", "resolve": "Lösung"},
    "fr": {"first": "première réponse", "next": "réponse suivante", "resolve": "résolution"},
    "es": {"first": "primera respuesta", "next": "respuesta siguiente", "resolve": "resolución"},
}


def said(config: Config, key: str, language: str = "", **gaps: object) -> str:
    """Return a text with its gaps filled, as the desk reads it or (`language`) who speaks that."""
    return _words(config, TEXTS, language)[key].format(**gaps)


def target(config: Config, name: str) -> str:
    """Return what a target is called: `name` is first, next or resolve."""
    return _words(config, TARGETS)[name]


def _words(config: Config, ours: Mapping[str, Mapping[str, str]], language: str = "") -> Mapping[str, str]:
    return spoken(language or config.service.language, ours, config.slack.texts)
