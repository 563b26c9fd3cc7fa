"""In which language somebody wrote: what the mail says of itself, and a guess by small words. Pure, linear.

Four languages have texts of ours, so four are guessed; a mail may name any other. A library that knows them all costs
100 MB in each reading child (docs/decisions).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from intake.email.headers import Headers

_LOOKED_AT: Final = 4_000  # characters
_WORD = re.compile(r"[^\W\d_]{1,20}")
_TAG = re.compile(r"\s*([a-z]{2,3})(?:[-_][a-z0-9]{1,8}){0,4}\s*(?:[;,]|$)", re.IGNORECASE)
_NOTHING: Final = frozenset({"und", "mul", "zxx", "mis"})

# Small words that no other of the four has: what two of them share says nothing.
_SMALL: Final[dict[str, str]] = {
    "en": "the and you your is are was were have has had with this that these there please thanks thank from not "
    "can could would should will my our we they it for of to been what when which how hello hi dear",
    "de": "der die das und ist nicht ich sie wir ihr mein meine unser unsere ein eine einen einem bitte danke hallo "
    "mit für von zu auf auch noch aber oder wenn dass wie kann können habe haben hat wird werden guten tag vielen "
    "dank liebe lieber sehr geehrte damen herren grüße grüßen bei seit nach beim zum zur dem den des im vom",
    "fr": "le les des du une et est pas je vous nous mon ma mes votre vos notre avec pour dans sur ce cette ces qui "
    "que ne au aux bonjour merci bonne cordialement madame monsieur plus sont avez suis être fait il elle mais ou où "
    "ai chez depuis toujours",
    "es": "el los las una y no está estoy están mi mis su sus nuestro nuestra con para por pero como cuando hola "
    "gracias buenos días buenas tardes saludos usted ustedes puedo puede pueden tengo tiene hay muy más ya desde "
    "del al lo le les qué cómo favor estimado estimada necesito",
}
_OF: Final[dict[str, frozenset[str]]] = {name: frozenset(words.split()) for name, words in _SMALL.items()}
_SHARED: Final = frozenset(w for w, n in Counter(w for words in _OF.values() for w in words).items() if n > 1)


def language_of(headers: Headers, text: str) -> str:
    """Return the language as its first subtag (RFC 5646: "de"), "" where nothing tells it.

    Words that leave no doubt come first: programs write the language of their menus into Content-Language (RFC 3282).
    Accept-Language, what the writer reads, comes last.
    """
    guess, sure = guessed(text)
    if sure:
        return guess
    return _tag(headers.get("content-language")) or guess or _tag(headers.get("accept-language"))


def guessed(text: str) -> tuple[str, bool]:
    """Return the language by small words ("" where they don't tell), and whether it is beyond doubt."""
    hits: Counter[str] = Counter()
    for match in _WORD.finditer(text[:_LOOKED_AT].lower()):
        word = match[0]
        if word not in _SHARED:
            hits.update(name for name, words in _OF.items() if word in words)
    if not hits:
        return "", False
    (best, most), *others = hits.most_common()
    second = others[0][1] if others else 0
    if most < 2 or most <= second:
        return "", False
    return best, most >= 6 and most >= 4 * second


def _tag(value: str) -> str:
    found = _TAG.match(value[:200])
    name = found[1].lower() if found else ""
    return "" if name in _NOTHING else name
