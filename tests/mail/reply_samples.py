# ruff: noqa: E501  (a sample is as long as a program writes it)
"""What mail programs write around an answer, by language: lines of their form, in our words. Data for tests."""

from __future__ import annotations

S = "Support Desk <support@example.com>"

# language -> lines above a quote (Gmail, Apple Mail, Thunderbird and others).
ATTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "en": (
        f"On Mon, May 4, 2026 at 10:00 AM {S} wrote:",
        f"On May 4, 2026, at 10:00 AM, {S} wrote:",
        "On 04/05/2026 10:00, Support Desk wrote:",
        f"On Monday, May 4, 2026 at 10:00:00 AM GMT+2, {S} wrote:",
        f"On Monday, May 4th, 2026 at 10:00 AM, {S} wrote:",
        f"On May 4, 2026, 10:00 AM +0200, {S}, wrote:",
        "On Mon, May 04, 2026 at 10:00 AM, Support Desk < support@example.com > wrote:",
        "On 4 May 2026 at 10:00:00, Support Desk (support@example.com) wrote:",
        "On Mon, 2026-05-04 at 10:00 +0200, Support Desk wrote:",
        "On Monday, 4 May 2026 10:00:00 CEST Support Desk wrote:",
        '-----"Support Desk" <support@example.com> wrote: -----',
        f"---- On Mon, 04 May 2026 10:00:00 +0200 {S} wrote ----",
        'At 2026-05-04 10:00:00, "Support Desk" <support@example.com> wrote:',
        'On 5/4/26 10:00 AM, "Support Desk" <support@example.com> wrote:',
        f"May 4, 2026 10:00:00 AM {S}:",
        "4 May 2026, 10:00 by support@example.com:",
        'May 4, 2026 10:00 AM, "Support Desk" <support@example.com> wrote:',
        f"{S} wrote on 04.05.2026 10:00:",
    ),
    "de": (
        f"Am Mo., 4. Mai 2026 um 10:00 Uhr schrieb {S}:",
        f"Am 04.05.2026 um 10:00 schrieb {S}:",
        "Am 04.05.26 um 10:00 schrieb Support Desk:",
        f"{S} schrieb am Mo., 4. Mai 2026, 10:00:",
        f"Am Montag, 4. Mai 2026 um 10:00:00 MESZ hat {S} Folgendes geschrieben:",
        "Am Montag, 4. Mai 2026, 10:00:00 CEST schrieb Support Desk:",
        "Am 2026-05-04 10:00, schrieb Support Desk:",
        '-----"Support Desk" <support@example.com> schrieb: -----',
    ),
    "fr": (
        f"Le lun. 4 mai 2026 à 10:00, {S} a écrit :",
        f"Le 4 mai 2026 à 10:00, {S} a écrit :",
        "Le 04/05/2026 à 10:00, Support Desk a écrit :",
        f"Le lundi 4 mai 2026 à 10 h 00 min 00 s UTC+2, {S} a écrit :",
        f"Le lundi 4 mai 2026 à 10:00:00 UTC+2, {S} a écrit :",
    ),
    "es": (
        "El lun, 4 may 2026 a las 10:00, Support Desk (<support@example.com>) escribió:",
        f"El 4 may 2026, a las 10:00, {S} escribió:",
        "El 4/5/26 a las 10:00, Support Desk escribió:",
        f"El lunes, 4 de mayo de 2026, 10:00:00 CEST, {S} escribió:",
    ),
    "pt": (
        f"Em seg., 4 de mai. de 2026 às 10:00, {S} escreveu:",
        f"Em 4 de mai. de 2026, à(s) 10:00, {S} escreveu:",
        "Em 04/05/2026 10:00, Support Desk escreveu:",
        "Às 10:00 de 04/05/2026, Support Desk escreveu:",
        f"Em segunda-feira, 4 de maio de 2026 às 10:00:00 BRT, {S} escreveu:",
    ),
    "it": (
        f"Il giorno lun 4 mag 2026 alle ore 10:00 {S} ha scritto:",
        f"Il giorno 4 mag 2026, alle ore 10:00, {S} ha scritto:",
        "Il 04/05/2026 10:00, Support Desk ha scritto:",
        f"Il lunedì 4 maggio 2026 alle ore 10:00:00 CEST, {S} ha scritto:",
    ),
    "nl": (
        f"Op ma 4 mei 2026 om 10:00 schreef {S}:",
        f"Op 4 mei 2026, om 10:00 heeft {S} het volgende geschreven:",
        "Op 04-05-2026 om 10:00 schreef Support Desk:",
        f"Op maandag 4 mei 2026 10:00:00 CEST schreef {S}:",
    ),
    "pl": (
        f"pon., 4 maj 2026 o 10:00 {S} napisał(a):",
        f"Wiadomość napisana przez {S} w dniu 04.05.2026, o godz. 10:00:",
        "W dniu 4.05.2026 o 10:00, Support Desk pisze:",
        f"Dnia 4 maja 2026 10:00 {S} napisał(a):",
    ),
    "cs": (
        f"po 4. 5. 2026 v 10:00 odesílatel {S} napsal:",
        f"4. 5. 2026 v 10:00, {S}:",
        "Dne 04. 05. 26 v 10:00 Support Desk napsal(a):",
        "---------- Původní e-mail ----------\nOd: Support Desk <support@example.com>\nKomu: ada@customer.example\nDatum: 4. 5. 2026 10:00:00\nPředmět: Printer",
    ),
    "sk": (f"po 4. 5. 2026 o 10:00 {S} napísal(a):", "Dňa 4. 5. 2026 o 10:00 Support Desk napísal(a):"),
    "sv": (
        f"Den mån 4 maj 2026 kl 10:00 skrev {S}:",
        f"4 maj 2026 kl. 10:00 skrev {S}:",
        "Den 2026-05-04 kl. 10:00, skrev Support Desk:",
        f"mån 4 maj 2026 kl. 10:00 skrev {S}:",
    ),
    "da": (
        f"Den man. 4. maj 2026 kl. 10.00 skrev {S}:",
        f"Den 4. maj 2026 kl. 10.00 skrev {S}:",
        "Den 04.05.2026 kl. 10.00 skrev Support Desk:",
    ),
    "no": (
        f"man. 4. mai 2026 kl. 10:00 skrev {S}:",
        f"4. mai 2026 kl. 10:00 skrev {S}:",
        "Den 04.05.2026 10:00, skrev Support Desk:",
    ),
    "fi": (
        "ma 4. toukok. 2026 klo 10.00 Support Desk (support@example.com) kirjoitti:",
        f"{S} kirjoitti 4.5.2026 kello 10.00:",
        "Support Desk kirjoitti 4.5.2026 klo 10.00:",
    ),
    "ru": (
        f"пн, 4 мая 2026 г. в 10:00, {S}:",
        f"4 мая 2026 г., в 10:00, {S} написал(а):",
        "04.05.2026 10:00, Support Desk пишет:",
        f"Понедельник, 4 мая 2026, 10:00 +03:00 от {S}:",
        '04.05.2026, 10:00, "Support Desk" <support@example.com>:',
    ),
    "uk": (
        f"пн, 4 трав. 2026 р. о 10:00 {S} пише:",
        f"4 трав. 2026 р. о 10:00 {S} написав(-ла):",
        "04.05.26 10:00, Support Desk пише:",
    ),
    "tr": (
        f"{S}, 4 May 2026 Pzt, 10:00 tarihinde şunu yazdı:",
        f"{S} şunları yazdı (4 May 2026 10:00):",
        "04.05.2026 10:00 tarihinde Support Desk yazdı:",
    ),
    "el": (
        f"Στις Δευ 4 Μαΐ 2026 στις 10:00 π.μ., ο χρήστης {S} έγραψε:",
        f"Στις 4 Μαΐ 2026, στις 10:00, ο/η {S} έγραψε:",
        "Στις 4/5/2026 10:00 π.μ., ο/η Support Desk έγραψε:",
    ),
    "hu": (
        f"{S} ezt írta (időpont: 2026. máj. 4., H, 10:00):",
        f"2026. máj. 4. dátummal, 10:00 időpontban {S} írta:",
        "2026. 05. 04. 10:00 keltezéssel, Support Desk írta:",
    ),
    "ro": (
        f"lun., 4 mai 2026 la 10:00, {S} a scris:",
        f"Pe 4 mai 2026, la 10:00, {S} a scris:",
        "Pe 04.05.2026 10:00, Support Desk a scris:",
    ),
    "he": (
        "\u202b\u202aבתאריך יום ב׳, 4 במאי 2026 ב-10:00 מאת \u202aSupport Desk\u202c\u200f <\u202asupport@example.com\u202c\u200f>:\u202c",
        f"ב-4 במאי 2026, בשעה 10:00, \u200f{S} כתב/ה:",
        "בתאריך 04/05/2026 10:00, Support Desk כתב:",
    ),
    "ar": (
        "\u202bفي الاثنين، 4 مايو 2026 في 10:00 ص تمت كتابة ما يلي بواسطة \u202aSupport Desk\u202c\u200f <\u202asupport@example.com\u202c\u200f>:\u202c",
        f"في ٤ مايو ٢٠٢٦، الساعة ١٠:٠٠ ص، كتب {S}:",
        "في 4/5/26 10:00 ص، كتب Support Desk:",
    ),
    "ja": (
        f"2026年5月4日(月) 10:00 {S}:",
        "2026/05/04 10:00、Support Desk <support@example.com>のメール:",
        "2026/05/04 10:00, Support Desk さんは書きました:",
        "On 2026/05/04 10:00, Support Desk wrote:",
    ),
    "zh": (
        f"{S} 于2026年5月4日周一 10:00写道：",
        f"在 2026年5月4日，10:00，{S} 写道：",
        "在 2026/5/4 10:00, Support Desk 写道:",
        f"{S} 於 2026年5月4日 週一 上午10:00寫道：",
        "Support Desk 於 2026/5/4 10:00 寫道:",
        '在 2026-05-04 10:00:00，"Support Desk" <support@example.com> 写道：',
    ),
    "ko": (
        f"2026년 5월 4일 (월) 오전 10:00, {S}님이 작성:",
        f"2026. 5. 4. 오전 10:00, {S} 작성:",
        "2026-05-04 10:00에 Support Desk 이(가) 쓴 글:",
    ),
    "hr": (
        f"pon, 4. svi 2026. u 10:00 {S} napisao je:",
        "Dana 04.05.2026. u 10:00, Support Desk je napisao/la:",
    ),
    "sl": (
        f"V V pon., 4. maj 2026 ob 10:00 je oseba {S} napisala:",
        "Dne 04. 05. 2026 ob 10:00 je Support Desk napisal(a):",
    ),
    "bg": (f"На пн, 4.05.2026 г. в 10:00 {S} написа:", "На 4.05.2026 г. в 10:00, Support Desk написа:"),
    "sr": (f"пон, 4. мај 2026. у 10:00 {S} је написао/ла:",),
    "lt": (f"2026-05-04, pr, 10:00 {S} rašė:", "2026-05-04 10:00, Support Desk rašė:"),
    "lv": (f"pirmd., 2026. g. 4. maijs, plkst. 10:00 — lietotājs {S} rakstīja:",),
    "et": (f"Kasutaja {S} kirjutas kuupäeval E, 4. mai 2026 kell 10:00:",),
    "vi": (
        f"Vào Th 2, 4 thg 5, 2026 vào lúc 10:00 {S} đã viết:",
        f"Vào 10:00, ngày 4 thg 5, 2026, {S} đã viết:",
    ),
    "th": (f"เมื่อ จ. 4 พ.ค. 2569 เวลา 10:00 {S} เขียนว่า:",),
    "id": (f"Pada Sen, 4 Mei 2026 pukul 10.00 {S} menulis:",),
    "ca": (
        f"Missatge de {S} del dia dl., 4 de maig 2026 a les 10:00:",
        f"El 4 maig 2026, a les 10:00, {S} va escriure:",
    ),
}

# language -> heads that Outlook and others write: From, Sent, To, Subject.
HEADS: dict[str, tuple[str, ...]] = {
    "en": ("From|Sent|To|Subject", "From|Date|To|Subject", "From|Sent|To|Cc|Subject"),
    "de": ("Von|Gesendet|An|Betreff", "Von|Datum|An|Betreff", "Gesendet|Von|An|Betreff"),
    "fr": ("De |Envoyé |À |Objet ", "De|Date|À|Objet", "De |Envoyé |À |Cc |Objet "),
    "es": ("De|Enviado el|Para|Asunto", "De|Enviado|Para|Asunto", "De|Fecha|Para|Asunto"),
    "pt": ("De|Enviada em|Para|Assunto", "De|Enviado|Para|Assunto", "De|Data|Para|Assunto"),
    "it": ("Da|Inviato|A|Oggetto", "Da|Data|A|Oggetto"),
    "nl": ("Van|Verzonden|Aan|Onderwerp", "Van|Datum|Aan|Onderwerp"),
    "pl": ("Od|Wysłano|Do|Temat", "Od|Wysłane|Do|DW|Temat", "Od|Data|Do|Temat"),
    "cs": ("Od|Odesláno|Komu|Předmět", "Od|Datum|Komu|Předmět"),
    "sk": ("Od|Odoslané|Komu|Predmet", "Od|Dátum|Komu|Predmet"),
    "sv": ("Från|Skickat|Till|Ämne", "Från|Datum|Till|Kopia|Ämne"),
    "da": ("Fra|Sendt|Til|Emne", "Fra|Dato|Til|Emne"),
    "no": ("Fra|Sendt|Til|Emne", "Fra|Dato|Til|Kopi|Emne"),
    "fi": ("Lähettäjä|Lähetetty|Vastaanottaja|Aihe", "Lähettäjä|Päivämäärä|Vastaanottaja|Aihe"),
    "ru": ("От|Отправлено|Кому|Тема", "От|Дата|Кому|Тема", "От кого|Дата|Кому|Тема"),
    "uk": ("Від|Надіслано|Кому|Тема", "Від|Дата|Кому|Тема"),
    "tr": ("Kimden|Gönderildi|Kime|Konu", "Gönderen|Tarih|Alıcı|Konu", "Kimden|Gönderme Tarihi|Kime|Konu"),
    "el": ("Από|Στάλθηκε|Προς|Θέμα", "Από|Ημερομηνία|Προς|Θέμα"),
    "hu": ("Feladó|Elküldve|Címzett|Tárgy", "Feladó|Dátum|Címzett|Tárgy", "Feladó|Küldve|Címzett|Tárgy"),
    "ro": ("De la|Trimis|Către|Subiect", "De la|Data|Către|Subiect"),
    "he": ("מאת|נשלח|אל|נושא", "מאת|תאריך|אל|נושא"),
    "ar": ("من|تم الإرسال|إلى|الموضوع", "من|التاريخ|إلى|الموضوع"),
    "ja": ("差出人|送信日時|宛先|件名", "差出人|日付|宛先|件名", "From|Sent|To|Subject"),
    "zh": (
        "发件人|发送时间|收件人|主题",
        "发件人|日期|收件人|主题",
        "寄件者|寄件日期|收件者|主旨",
        "寄件人|日期|收件人|主題",
    ),
    "ko": ("보낸 사람|보낸 날짜|받는 사람|제목", "보낸사람|날짜|받는사람|제목"),
    "hr": ("Od|Poslano|Za|Predmet", "Šalje|Datum|Prima|Predmet"),
    "sl": ("Od|Poslano|Za|Zadeva",),
    "bg": ("От|Изпратено|До|Относно",),
    "lt": ("Nuo|Išsiųsta|Kam|Tema",),
    "lv": ("No|Nosūtīts|Kam|Tēma",),
    "et": ("Saatja|Saadetud|Adressaat|Teema",),
    "vi": ("Từ|Đã gửi|Đến|Chủ đề",),
    "th": ("จาก|ส่ง|ถึง|เรื่อง",),
    "id": ("Dari|Dikirim|Kepada|Subjek",),
    "ca": ("De|Enviat el|Per a|Assumpte",),
}

DATES = {
    "en": "Monday, May 4, 2026 10:00 AM", "de": "Montag, 4. Mai 2026 10:00", "fr": "lundi 4 mai 2026 10:00",
    "es": "lunes, 4 de mayo de 2026 10:00", "pt": "segunda-feira, 4 de maio de 2026 10:00",
    "it": "lunedì 4 maggio 2026 10:00", "nl": "maandag 4 mei 2026 10:00", "pl": "poniedziałek, 4 maja 2026 10:00",
    "cs": "pondělí 4. května 2026 10:00", "sv": "den 4 maj 2026 10:00", "da": "4. maj 2026 10:00",
    "no": "mandag 4. mai 2026 10.00", "fi": "maanantai 4. toukokuuta 2026 10.00", "ru": "понедельник, 4 мая 2026 г. 10:00",
    "uk": "понеділок, 4 травня 2026 р. 10:00", "tr": "4 Mayıs 2026 Pazartesi 10:00", "el": "Δευτέρα, 4 Μαΐου 2026 10:00 π.μ.",
    "hu": "2026. május 4., hétfő 10:00", "ro": "luni, 4 mai 2026 10:00", "he": "יום שני 4 מאי 2026 10:00",
    "ar": "الاثنين، ٤ مايو ٢٠٢٦ ١٠:٠٠ ص", "ja": "2026年5月4日 10:00", "zh": "2026年5月4日 10:00", "ko": "2026년 5월 4일 월요일 오전 10:00",
}  # fmt: skip


def heads(language: str) -> list[str]:
    """Return whole heads of the language."""
    found = []
    for names in HEADS[language]:
        fields = names.split("|")
        lines = []
        for number, name in enumerate(fields):
            dated = number == (0 if name == "Gesendet" and number == 0 else 1)
            if fields[0] == "Gesendet":
                dated = number == 0
            value = (
                DATES.get(language, "2026-05-04 10:00")
                if dated
                else "Re: Printer"
                if number == len(fields) - 1
                else S
                if (number == 0 or (fields[0] == "Gesendet" and number == 1))
                else "Ada <ada@customer.example>"
            )
            lines.append(f"{name}: {value}")
        found.append("\n".join(lines))
    return found


ORIGINALS = {
    "en": "-----Original Message-----", "de": "-----Ursprüngliche Nachricht-----", "fr": "-----Message d'origine-----",
    "es": "-----Mensaje original-----", "pt": "-----Mensagem original-----", "it": "-----Messaggio originale-----",
    "nl": "-----Oorspronkelijk bericht-----", "pl": "-----Wiadomość oryginalna-----", "cs": "-----Původní zpráva-----",
    "sv": "-----Ursprungligt meddelande-----", "da": "-----Oprindelig meddelelse-----", "no": "-----Opprinnelig melding-----",
    "fi": "-----Alkuperäinen viesti-----", "ru": "-----Исходное сообщение-----", "uk": "-----Вихідне повідомлення-----",
    "tr": "-----Özgün İleti-----", "el": "-----Αρχικό μήνυμα-----", "hu": "-----Eredeti üzenet-----",
    "ro": "-----Mesaj original-----", "he": "-----הודעה מקורית-----", "ar": "-----الرسالة الأصلية-----",
    "ja": "-----元のメッセージ-----", "zh": "------------------ 原始邮件 ------------------", "ko": "-----원본 메시지-----",
}  # fmt: skip

FORWARDS = {
    "en": "---------- Forwarded message ---------", "de": "Anfang der weitergeleiteten Nachricht:",
    "fr": "Début du message réexpédié :", "es": "Inicio del mensaje reenviado:", "pt": "Início da mensagem encaminhada:",
    "it": "Inizio messaggio inoltrato:", "nl": "Begin doorgestuurd bericht:", "pl": "Początek przekazywanej wiadomości:",
    "cs": "Začátek přeposílané zprávy:", "sv": "Vidarebefordrat brev:", "da": "Start på videresendt besked:",
    "no": "Videresendt melding:", "fi": "Välitetty viesti alkaa:", "ru": "Начало переадресованного сообщения:",
    "uk": "Початок листа, що пересилається:", "tr": "İletilmiş mesaj:", "el": "Έναρξη προωθημένου μηνύματος:",
    "hu": "Továbbított levél kezdete:", "ro": "Începe mesajul redirecționat:", "he": "תחילת ההודעה שהועברה:",
    "ar": "بدء الرسالة المعاد توجيهها:", "ja": "転送されたメッセージ:", "zh": "开始转发邮件:", "ko": "전달된 메시지:",
}  # fmt: skip

SENT_FROM = """\
Sent from my iPhone|Sent from Outlook for iOS<https://aka.ms/o0ukef>|Get Outlook for Android<https://aka.ms/AAb9ysg>
Sent from Yahoo Mail on Android|Sent from Mail for Windows 10|Sent from Mail<https://go.example/fwlink/?LinkId=55> for Windows
Sent with Proton Mail secure email.|Sent via the Samsung Galaxy S21, an AT&T 5G smartphone|Sent from my BlackBerry 10 smartphone.
Sent from my iPhone, please excuse any typos|Sent from my Android device with K-9 Mail. Please excuse my brevity.
Von meinem iPhone gesendet|Gesendet von Mail für Windows|Gesendet mit der GMX Mail App|Outlook für iOS beziehen<https://aka.ms/o0ukef>
Diese Nachricht wurde von meinem Android-Mobiltelefon mit WEB.DE Mail gesendet.|Von meinem Samsung Galaxy Smartphone gesendet.
Envoyé de mon iPhone|Envoyé depuis mon appareil Galaxy de Samsung|Télécharger Outlook pour Android|Provenance : Courrier pour Windows
Enviado desde mi iPhone|Obtener Outlook para iOS|Enviado do meu iPhone|Obter o Outlook para Android|Enviado do Yahoo Mail no Android
Inviato da iPhone|Scarica Outlook per iOS|Verstuurd vanaf mijn iPhone|Verzonden met Proton Mail|Outlook voor iOS downloaden
Wysłane z iPhone'a|Pobierz aplikację Outlook dla systemu iOS|Odesláno z iPhonu|Skickat från min iPhone|Hämta Outlook för iOS
Sendt fra min iPhone|Hent Outlook til Android|Lähetetty iPhonesta|Hanki Outlook for iOS|Отправлено с iPhone|Скачать Outlook для iOS
Отправлено из мобильной Почты Mail.ru|Надіслано з iPhone|iPhone'umdan gönderildi|iOS için Outlook'u edinin
Στάλθηκε από το iPhone μου|Λήψη του Outlook για iOS|iPhone-ról küldve|Elküldve az iPhone-omról|Trimis de pe iPhone-ul meu
נשלח מה-iPhone שלי|تم الإرسال من iPhone الخاص بي|iPhoneから送信|iOS 版 Outlook を入手|发自我的 iPhone|從我的 iPhone 傳送|获取 Outlook for iOS
나의 iPhone에서 보냄|Gửi từ iPhone của tôi|ส่งจาก iPhone ของฉัน|Dikirim dari iPhone saya|Poslano s mog iPhone uređaja|Odoslané z iPhonu""".replace(
    "\n", "|"
).split("|")
