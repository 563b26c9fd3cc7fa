# ruff: noqa: E501  (a pattern is as wide as its words)
"""Patterns that say of a line what mail programs write it for, in any of the languages of `phrases.py`. Pure.

Each is asked of one line (or a few joined ones) of bounded length, without nested repeats: linear whatever comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from intake.email.phrases import LANGUAGES

# Direction marks, joiners, soft hyphens and byte order marks: they show nothing and stand anywhere in a line.
INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2063\u2066\u2067\u2068\u2069\ufeff"
DASHES: Final = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2500\u2501"
RULE: Final = f"{DASHES}_=*~#> \t\xa0"  # what rules are drawn with
_INVISIBLE = str.maketrans(
    "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹\xa0\u202f\u2009\u3000", "01234567890123456789    ", INVISIBLE
)
_WITHOUT_SPACES: Final = ("ja", "zh", "ko", "th")  # scripts in which words touch each other


def plain(line: str) -> str:
    """Return the line without what can't be seen, with plain spaces and digits."""
    if "&" in line:  # QQ leaves entities in its plain text
        line = line.replace("&nbsp;", " ").replace("&gt;", ">").replace("&lt;", "<")
    return line if line.isascii() else line.translate(_INVISIBLE)


def _words(kind: str, languages: Iterable[str] = LANGUAGES) -> set[str]:
    found = {word for name in languages for word in getattr(LANGUAGES[name], kind).split("|")}
    return {word.strip() for word in found if word.strip()}


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))


# --- "On …, Bob wrote:" -------------------------------------------------------------------------------------------

_JOINED = _words("wrote", _WITHOUT_SPACES) - {"wrote"}
WROTE_WORD: Final = re.compile(
    rf"(?<!\w)(?:{_either(_words('wrote') - _JOINED)})(?!\w)|{_either(_JOINED)}", re.IGNORECASE
)
# Digits that may be of a date: 10:00, 2026, 5/4, 4. or a day's sign in Chinese, Japanese, Korean.
DATE: Final = re.compile(r"\d{1,2}[.:h]\d{2}(?!\d{3})|\d{4}|\d{1,2}[./-]\d{1,2}|\d{1,2}[日일]")
TIME: Final = re.compile(r"\d{1,2}[.:h時时시点點]\s?\d{2}")
YEAR: Final = re.compile(r"(?<![\d.])(?:19|20|25)\d\d(?!\d)|\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{2,4}")
ADDRESS: Final = re.compile(r"[\w.+%=-]{1,64}@[\w.-]{1,190}\w")
# How such a line begins where a program wraps it: its opening word and a digit, or a day and a year.
OPENING: Final = re.compile(
    r"\W{0,3}(?:on|at|am|le|el|em|no dia|às|il|in data|op|dnia|w dniu|wiadomość|dne|dňa|den|pe|la|στις|v|dana|u|na|на|в|vào|"
    r"pada|tanggal|בתאריך|ב-|في|بتاريخ|در|在|于|於|เมื่อ)\W[^\n]{0,60}?\d|"
    r"\W{0,3}[^\W\d_]{2,12}\.?,? [^\n]{0,20}?\d{1,2}[^\n]{0,20}(?:20\d\d|25\d\d)|\W{0,3}[^\W\d_]{2,12}\.?,? (?:20|25)\d\d|\W{0,3}\d{1,4}[./年 -]",
    re.IGNORECASE,
)
# Yahoo writes the quoted text behind it into the same line.
WITH_TEXT: Final = re.compile(
    rf"[^<>]{{0,160}}<[^<>\s]{{3,90}}>\s?,?\s?(?:{_either(_words('wrote'))})\s?[:：]\s{{2,9}}\S",
    re.IGNORECASE,
)
LAST_WORDS: Final = frozenset(word.rpartition(" ")[2] for word in _words("wrote"))  # of lines without a colon

# --- "----- Original Message -----" -------------------------------------------------------------------------------

_ORIGINAL = _either(_words("original"))
_D: Final = rf"[{DASHES}_=*~#\s>|]"
ORIGINAL_LINE: Final = re.compile(rf"{_D}{{2,80}}(?:{_ORIGINAL})\s?{_D}{{2,80}}(.{{0,400}})", re.IGNORECASE)
ORIGINAL_WORDS: Final = re.compile(rf"[\s*]{{0,9}}(?:{_ORIGINAL})[\s*:]{{0,9}}", re.IGNORECASE)
# ---- On Mon, 4 May 2026 Bob wrote ----  and  -----Bob <bob@x> wrote: -----
BETWEEN_DASHES: Final = re.compile(
    rf"\s{{0,4}}[{DASHES}]{{2,40}}\s?(\S.{{3,300}}?)\s?:?\s?[{DASHES}]{{2,40}}\s{{0,4}}"
)
FORWARD_LINE: Final = re.compile(
    rf"{_D}{{0,80}}(?:{_either(_words('forwarded'))})(?: (?:by|von|from|par|por|da|od|от|af|av) .{{0,120}})?"
    rf"\s?[:：]?{_D}{{0,80}}",
    re.IGNORECASE,
)

# --- the head of a quoted mail ------------------------------------------------------------------------------------

FIELD_NAMES: Final[dict[str, frozenset[str]]] = {}
for _kind in ("sender", "date", "to", "subject"):
    for _word in _words(_kind):
        FIELD_NAMES[_word] = FIELD_NAMES.get(_word, frozenset()) | {_kind}
LONGEST_FIELD_NAME: Final = max(map(len, FIELD_NAMES))

# --- "Sent from my phone" -----------------------------------------------------------------------------------------

_DEVICE: Final = (
    r"iphon\w{0,4}|ipad\w{0,4}|ipod|ios|apple|mail\.ru|android|samsung|galaxy|huawei|honor|xiaomi|redmi|oppo|vivo|realme|oneplus|pixel|nexus|"
    r"nokia|lumia|sony|xperia|htc|motorola|lenovo|zte|verizon|t-mobile|at&t|vodafone|telekom|windows|outlook|"
    r"[\w.-]{0,12}mail|gmx|web\.de|yahoo|aol|proton|tuta\w{0,4}|blackberry|mobil\w{0,14}|\w{0,8}phone\w{0,4}|tablet\w{0,4}|"
    r"handy|móvil|celular|telefon\w{0,4}|téléphone|teléfono|телефон\w{0,2}|смартфон\w{0,2}|устройств\w|пристро\w{1,4}|"
    r"mailbox|spark|airmail|superhuman|hey|mimestream|fairemail|k-9|thunderbird|mac|macbook|watch|device|gerät|appareil|"
    r"dispositivo|toestel|wireless|smartphone\w{0,3}|携帯|手机|手機|网易\w{0,6}|foxmail|qq\w{0,2}|naver|네이버\w{0,2}|휴대폰|スマートフォン|"
    r"apparaat|urządzeni\w|zařízení|enhet|laite\w{0,5}|puhelime\w{0,5}"
)
_END: Final = (
    r"[^.,;!?\n]{0,50}(?:[.,;!]? ?(?:please|bitte|excuse|pardon|sorry|excusez|disculpe|perdona|scus\w|verzeih)[^\n]{0,80})?"
    r"(?:\s?[<(\[]?https?://\S{1,300}[^.,;!?\n]{0,40})?[\s.!*_\])>]{0,5}"
)
_BEFORE: Final = r"[\s_*\[(<–—-]{0,6}"
SENT_FROM_LINE: Final = re.compile(
    rf"{_BEFORE}(?:(?:{_either(_words('sent'))})[^.,;!?\n]{{0,40}}?(?:, an? )?(?:{_DEVICE})(?:, [\w ]{{0,20}}(?:smartphone|galaxy)|\b|(?=[一-鿿가-힣ぁ-ヿ])){_END}"
    rf"|(?:{_either(_words('sent'))})(?: the)? ?\w{{0,3}} (?:{_either(_words('possessive') - {'the'})})(?: [^\s.,;!?]{{1,20}}){{1,4}}[\s.*_]{{0,4}}"
    rf"|(?:von|aus|mit|über) mein\w{{1,2}}[^.,;:!?\n]{{1,50}} (?:gesendet|versendet|verschickt){_END}"
    rf"|[^.,;:!?\n]{{0,50}}(?:{_DEVICE})[^.,;:!?\n]{{0,30}}?(?:{_either(_words('sent_after'))}){_END})",
    re.IGNORECASE,
)
_GET: Final = _either(_words("get"))
_PRODUCT: Final = (
    r"(?:outlook|bluemail|blue mail|yahoo mail|aol mail|gmail|spark|edison mail|nine|mymail|mail\.ru|proton ?mail|"
    r"windows mail|mailbird|samsung email|newton|canary mail|aqua mail|typeapp|type mail)"
)
GET_LINE: Final = re.compile(
    rf"{_BEFORE}(?:(?:{_GET})[^.,;!?\n]{{0,30}}\b{_PRODUCT}\b[^.,;!?\n]{{0,40}}|"
    rf"[^.,;:!?\n]{{0,40}}\b{_PRODUCT}\b[^.,;:!?\n]{{0,30}}(?:{_GET})[^.,;:!?\n]{{0,20}}|"
    rf"[^.,;:!?\n<]{{0,30}}outlook[^.,;:!?\n<]{{0,30}}<?\s?https?://(?:aka\.ms|outlook\.com|go\.microsoft)\S{{0,200}})"
    r"(?:\s?[<(\[]?https?://\S{1,300})?[\s.!*_\])>]{0,5}",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"\b(?:is|was|are|were|and|but|it|i|ist|war|und|est|es|ich)\b", re.IGNORECASE)
# Programs don't say when: then it's somebody's sentence.
_WHEN = re.compile(
    r"\b(?:yesterday|today|tonight|this (?:morning|evening|afternoon|week)|last (?:night|week|month|year)|ago|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|gestern|heute|vorhin|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|"
    r"hier|aujourd'hui|ce matin|ayer|hoy|ieri|oggi|ontem|hoje|gisteren|vandaag|wczoraj|dzisiaj|вчера|сегодня)\b",
    re.IGNORECASE,
)
# Lines that scanners, web mailers and lists add.
ADDED_LINE: Final = re.compile(
    r"[\s*_\[]{0,4}(?:"
    r"(?:virus-free|virenfrei|libre de virus|sans virus|garanti sans virus|senza virus|privo di virus|virusvrij|"
    r"wolny od wirusów|без вирусов)\W{0,3}(?:<?https?://)?(?:www\.)?(?:avast|avg)\S{0,200}.{0,60}|"
    r"(?:<?https?://)?www\.(?:avast|avg)\.com\S{0,300}|"
    r"(?:this (?:e-?mail|message) has been (?:checked|scanned) (?:for viruses|by)|"
    r"diese e-?mail wurde (?:von|auf viren)|cet e-mail a été vérifié|este correo electrónico ha sido comprobado|"
    r"questa e-mail è stata controllata|deze e-mail is gecontroleerd|ta wiadomość została sprawdzona|"
    r"это сообщение проверено)[^\n]{0,30}(?:avast|avg|antivir|virus|вирус)\S{0,200}.{0,80}|"
    r"yahoo mail: (?:search|suchen|recherchez|busca)[^\n]{0,200}|"
    r"(?:mailtrack|boomerang|streak)\S{0,20}|sender notified by ?mailtrack[^\n]{0,200}|"
    r"sent with \S{0,30} ?<?https?://\S{1,200}"
    r")[\s*_\]]{0,4}",
    re.IGNORECASE,
)


def tells_when(line: str) -> bool:
    """Say whether the line tells a day: "Sent from my old account yesterday" is no program's."""
    return bool(_WHEN.search(line[:400]))


def is_added_line(line: str) -> bool:
    """Say whether a program added the line below what was written ("Sent from my phone")."""
    text = plain(line)[:400].strip()
    if len(text) < 6:
        return False
    if SENT_FROM_LINE.fullmatch(text):
        said = text.partition("http")[0]
        return not (_SENTENCE.search(said) or tells_when(said)) or "excuse" in said.lower()
    return bool(GET_LINE.fullmatch(text) or ADDED_LINE.fullmatch(text))


# --- subjects -----------------------------------------------------------------------------------------------------

_ANSWER = (
    r"re|aw|antw|antwort|sv|vs|ref|odp|res|ris|rif|r|ynt|yanıt|atb|απ|σχετ|ответ|відп|відповідь|от|na|bls|balas|"
    r"trả lời|tl|vá|válasz|rép|réf|resp|hl|odg|odgovor|ats|回复|回覆|答复|答覆|回信|答复|답장|회신|返信|השב|תגובה|رد|ردّ|پاسخ|ตอบ|ตอบกลับ"
)
_FORWARD = (
    r"fwd?|wg|tr|rv|enc|i|doorst|pd|vl|vb|vid|videres|videresend|videresendt|переслано|пересл|пер|прсл|iletilen|ilt|"
    r"i̇lt|továbbítás|tov|redir|redirecționat|πρθ|προωθ|trs|terusan|转发|轉寄|轉發|転送|전달|הועבר|إعادة توجيه|fs|pr|přep|"
    r"preposl|posr|pers|edasi|ส่งต่อ|chuyển tiếp|ct|reenv|res?nviado|inoltr"
)
_TAG: Final = r"\s*(?:\[[^\]]{0,40}\]\s*)?"
ANSWER: Final = re.compile(rf"{_TAG}(?:{_ANSWER})\s?\.?(?:[\[(]\d+[\])])?\s?[:：]", re.IGNORECASE)
FORWARD: Final = re.compile(rf"{_TAG}(?:{_FORWARD})\s?\.?\s?[:：]", re.IGNORECASE)
PREFIX: Final = re.compile(
    rf"\s*(?:(?:{_ANSWER}|{_FORWARD})\s?\.?(?:[\[(]\d+[\])])?\s?[:：]|\[[^\]]{{0,40}}\])", re.IGNORECASE
)
# "VS:" begins answers in Finnish and forwards in Danish and Norwegian, where quoted heads begin with "Fra:".
NORDIC_FORWARD: Final = re.compile(rf"{_TAG}vs\s?:", re.IGNORECASE)
NORDIC_HEAD: Final = re.compile(r"^[\s*>]{0,6}Fra\s?:", re.MULTILINE)

# Said above answers that stand inside unmarked history.
INSIDE: Final = re.compile(
    r"\b(?:in-?line|see (?:my )?(?:answers?|comments?|notes?|replies)|(?:answers?|comments?|replies|replied|answered) "
    r"(?:are |is )?(?:below|in red|in blue|in green|inside|within|in the text)|see below|below in (?:red|blue|green|bold)|"
    r"(?:answers?|comments?|replies) in caps|siehe unten|unten im text|s\.\s?u\.|im text|in rot|in blau|in grün|"
    r"antworten (?:unten|im text)|ci-dessous|dans le texte|dans le corps|"
    r"en rouge|en bleu|más abajo|en rojo|en azul|abaixo|em vermelho|in rosso|in blu|di seguito|hieronder|in het rood|"
    r"in het blauw|nedan|i rött|nedenfor|med rødt|poniżej|na czerwono|níže|červeně|ниже|красным|нижче|alla punaisella|"
    r"kırmızı|aşağıda)\b|见下文|見下文|如下红字|紅字|以下に赤字|赤字で|빨간색으로|아래에 답변",
    re.IGNORECASE,
)
