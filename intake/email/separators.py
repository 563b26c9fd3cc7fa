"""What mail programs write between an answer and what it answers, in many languages. Tables for `visible.py`.

Each entry is the fixed part of what a program writes. A new language is words here and a sample in the tests.
"""

from __future__ import annotations

import re
from typing import Final

# The verb of lines like: On Mon, 2 Apr 2012 at 18:22, Bob <bob@x> wrote:
WROTE: Final = (
    "wrote", "writes", "schrieb", "hat geschrieben", "a écrit", "écrit", "escribió", "escribio", "ha escrito",
    "escreveu", "ha scritto", "scrive", "schreef", "heeft het volgende geschreven", "geschreven",
    "napisał", "napisał(a)",
    "napisała", "pisze", "napsal", "napsal(a)", "napsala", "napísal", "napísal(a)", "skrev", "skrev følgende",
    "kirjoitti", "написал", "написал(а)", "написала", "пишет", "написав", "написала", "пише", "написа", "yazdı",
    "şunu yazdı", "írta", "ezt írta", "a scris", "έγραψε", "napisao", "napisala", "je napisao",
    "napisao je", "je napisal",
    "piše", "kirjutas", "rakstīja", "rašė", "写道", "寫道", "書きました", "のメール", "님이 작성", "작성",
    "đã viết",
    "menulis", "เขียนว่า", "כתב", "כתבה", "מאת", "كتب", "va escriure", "idatzi du", "skrifaði", "ha escrit",
)  # fmt: skip

# "----- Original Message -----"
ORIGINAL: Final = (
    "original message", "original-nachricht", "originalnachricht", "ursprüngliche nachricht",
    "ursprungliche nachricht",
    "message d'origine", "message original", "message initial", "mensaje original", "mensagem original",
    "messaggio originale", "oorspronkelijk bericht", "oorspronkelijke bericht", "origineel bericht",
    "wiadomość oryginalna", "oryginalna wiadomość", "původní zpráva", "pôvodná správa",
    "ursprungligt meddelande",
    "originalmeddelande", "oprindelig meddelelse", "original meddelelse", "opprinnelig melding",
    "alkuperäinen viesti", "исходное сообщение", "оригинальное сообщение", "пересылаемое сообщение",
    "вихідне повідомлення",
    "özgün ileti", "orijinal mesaj", "eredeti üzenet", "mesaj original", "mesajul original", "αρχικό μήνυμα",
    "izvorna poruka", "originalna poruka", "izvirno sporočilo", "algne kiri", "原始邮件", "原始郵件",
    "元のメッセージ",
    "원본 메시지", "원본 메일", "thư gốc", "pesan asli", "reply message", "replied message",
    "reply above this line",
)  # fmt: skip

# What stands above a forwarded mail: from there on nothing is cut.
FORWARDED: Final = (
    "forwarded message", "begin forwarded message", "forwarded by", "weitergeleitete nachricht",
    "anfang der weitergeleiteten nachricht", "beginn der weitergeleiteten nachricht", "message transféré",
    "début du message transféré", "début du message réexpédié", "mensaje reenviado",
    "inicio del mensaje reenviado",
    "mensagem encaminhada", "início da mensagem encaminhada", "mensagem reencaminhada", "messaggio inoltrato",
    "inizio messaggio inoltrato", "doorgestuurd bericht", "begin doorgestuurd bericht", "wiadomość przekazana",
    "przekazana wiadomość", "začátek přeposlané zprávy", "přeposlaná zpráva", "vidarebefordrat meddelande",
    "vidarebefordrat brev", "videresendt meddelelse", "videresendt besked", "start på videresendt besked",
    "videresendt melding", "välitetty viesti", "пересланное сообщение", "пересылаемое сообщение",
    "начало переадресованного сообщения", "переслане повідомлення", "iletilmiş mesaj", "továbbított üzenet",
    "továbbított levél", "mesaj redirecționat", "προωθημένο μήνυμα", "proslijeđena poruka", "转发的邮件",
    "轉寄郵件",
    "転送されたメッセージ", "전달된 메시지", "thư đã chuyển tiếp", "pesan terusan",
)  # fmt: skip

# The head of the quoted mail as Outlook and others put it: field -> words.
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "from": ("from", "von", "de", "da", "van", "od", "från", "fra", "lähettäjä", "от", "від", "kimden",
             "gönderen",
             "feladó", "de la", "από", "šalje", "pošiljatelj", "saatja", "发件人", "寄件者", "寄件人",
             "差出人", "送信者",
             "보낸 사람", "보낸사람", "từ", "dari", "odesílatel", "odosielateľ", "expéditeur", "remitente",
             "mittente",
             "nadawca", "avsändare", "afsender", "отправитель", "מאת", "من"),
    "date": ("sent", "date", "gesendet", "datum", "envoyé", "date d'envoi", "enviado", "enviado el",
             "fecha", "enviada em",
             "data", "inviato", "verzonden", "wysłano", "odesláno", "odoslané", "dátum", "skickat",
             "sendt", "dato",
             "lähetetty", "päivämäärä", "отправлено", "дата", "надіслано", "gönderildi", "tarih",
             "gönderme tarihi",
             "elküldve", "trimis", "στάλθηκε", "ημερομηνία", "poslano", "saadetud", "发送时间", "发送日期",
             "日期", "寄件日期",
             "傳送時間", "送信日時", "日付", "보낸 날짜", "날짜", "ngày", "dikirim", "tanggal", "נשלח",
             "תאריך", "تاريخ"),
    "to": ("to", "an", "à", "para", "a", "aan", "do", "till", "til", "vastaanottaja", "кому", "kime",
           "alıcı", "címzett",
           "către", "προς", "prima", "za", "komu", "kellele", "收件人", "收件者", "宛先", "받는 사람",
           "받는사람", "đến",
           "kepada", "destinataire", "destinatario", "אל", "إلى", "cc", "kopie", "kopia", "copie", "копия",
           "抄送", "副本"),
    "subject": ("subject", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "temat",
                "předmět", "predmet",
                "ämne", "emne", "aihe", "тема", "konu", "tárgy", "subiect", "θέμα", "teema", "主题",
                "主旨", "件名", "제목",
                "chủ đề", "subjek", "perihal", "נושא", "الموضوع"),
}  # fmt: skip

# Lines that programs add by themselves below what was written.
SENT_FROM: Final = (
    "sent from", "sent via", "sent with", "get outlook for", "von meinem", "gesendet von", "gesendet mit",
    "diese nachricht wurde von meinem", "holen sie sich outlook", "outlook für", "envoyé de mon",
    "envoyé depuis",
    "envoyé à partir", "obtenez outlook", "télécharger outlook", "enviado desde", "enviado do", "enviado de",
    "enviado a partir", "obtener outlook", "obter o outlook", "inviato da", "inviato dal", "scarica outlook",
    "ottieni outlook", "verzonden vanaf", "verstuurd vanaf", "outlook voor", "downloaden outlook",
    "wysłane z", "wysłano z",
    "pobierz program outlook", "odesláno z", "odoslané z", "skickat från", "hämta outlook", "sendt fra",
    "hent outlook",
    "lähetetty", "отправлено с", "отправлено из", "надіслано з", "iphone'umdan gönderildi", "elküldve az",
    "从我的", "发自我的", "發自我的", "iphoneから送信", "나의 iphone에서 보냄", "sent using", "yahoo mail:",
)  # fmt: skip

# Prefixes of subjects: answers and forwards.
_ANSWER = (
    r"re|aw|antw|antwort|sv|vs|ref|odp|res|ris|r|ynt|yanıt|atb|απ|ответ|відп|balas|trả lời|"
    r"回复|回覆|答复|답장|回信"
)
_FORWARD = (
    r"fwd?|wg|tr|rv|enc|i|doorst|pd|vl|vb|vid|videresendt|переслано|пересл|iletilen|ilt|továbbítás|"
    r"转发|轉寄|전달"
)
ANSWER: Final = re.compile(
    rf"\s*(?:\[[^\]]{{0,40}}\]\s*)?(?:{_ANSWER})\s*(?:[\[(]\d+[\])])?\s*[:：]", re.IGNORECASE
)
FORWARD: Final = re.compile(rf"\s*(?:\[[^\]]{{0,40}}\]\s*)?(?:{_FORWARD})\s*[:：]", re.IGNORECASE)
PREFIX: Final = re.compile(
    rf"\s*(?:(?:{_ANSWER}|{_FORWARD})\s*(?:[\[(]\d+[\])])?\s*[:：]|\[[^\]]{{0,40}}\])", re.IGNORECASE
)


def _either(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=len, reverse=True))


# Words of scripts without spaces between words can't ask for a boundary.
WROTE_WORD: Final = re.compile(rf"(?:{_either(WROTE)})(?!\w)|写道|寫道|のメール|작성", re.IGNORECASE)
ORIGINAL_LINE: Final = re.compile(
    rf"[-_=*\s>]{{2,80}}\s?(?:{_either(ORIGINAL)})\s?[-_=*\s]{{2,80}}", re.IGNORECASE
)
FORWARD_LINE: Final = re.compile(
    rf"[-_=*\s>]{{0,80}}(?:{_either(FORWARDED)})(?: (?:by|von|from) .{{0,120}})?\s?[:：]?[-_=*\s]{{0,80}}",
    re.IGNORECASE,
)
SENT_FROM_LINE: Final = re.compile(
    rf"[\s_*\[]{{0,4}}(?:{_either(SENT_FROM)})[^.,;!?\n]{{0,60}}(?:<?\(?https?://\S{{1,200}}\)?>?)?[\s.*\]]{{0,3}}",
    re.IGNORECASE,
)
FIELD_NAMES: Final[dict[str, frozenset[str]]] = {}
for _kind, _words in FIELDS.items():
    for _word in _words:
        FIELD_NAMES[_word] = FIELD_NAMES.get(_word, frozenset()) | {_kind}

DATE: Final = re.compile(r"\d{1,2}[.:h]\d{2}(?!\d{3})|\d{4}|\d{1,2}[./-]\d{1,2}|\d{1,2}[日일]")
TIME: Final = re.compile(r"\d{1,2}[.:h時시点點]\s?\d{2}")
ADDRESS: Final = re.compile(r"[\w.+%=-]{1,64}@[\w.-]{1,190}\w")
# A whole date, a comma, a name, a verb: no person writes that into a sentence.
DATED_LINE: Final = re.compile(
    r"[^\W\d_]{1,10}\.?\s[^:：]{0,40}\d{4}[^:：]{0,12}\d{1,2}[:.h]\d{2}[^,:：]{0,24},[^:：,]{1,80}[:：]"
)
# Said above answers that stand inside unmarked history.
INSIDE: Final = re.compile(
    r"\b(?:in-?line|see (?:my )?(?:answers?|comments?|notes?|replies)|(?:answers?|comments?|replies|replied|answered) "
    r"(?:are |is )?(?:below|in red|in blue|inside|within|in the text)|see below|below in (?:red|blue|bold)|"
    r"siehe unten|unten im text|s\.\s?u\.|im text|in rot|in blau|antworten (?:unten|im text)|ci-dessous|dans le texte|"
    r"en rouge|más abajo|en rojo|abaixo|in rosso|di seguito|hieronder|in het rood|nedan|poniżej|ниже)\b",
    re.IGNORECASE,
)
