# ruff: noqa: E501  (a row is as wide as its words)
"""What mail programs write between an answer and what it answers, by language. Data only; `separators.py` compiles it.

Words are lower case, a `|` between them. To teach the cutter a language, add a row here and a sample to
`tests/mail/reply_samples.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language. `wrote`: the verb of "On …, Bob wrote:". `original`: "Original Message" between dashes, `forwarded`
    what stands above a forwarded mail. `sender`, `date`, `to`, `subject`: the fields of a quoted head (`to`: copies
    too). `sent`: how "Sent from my phone" begins, `sent_after` how it ends where the verb comes last, `possessive` its
    "my"; `get`: the verb of "Get Outlook for iOS".
    """

    wrote: str
    original: str
    forwarded: str
    sender: str
    date: str
    to: str
    subject: str
    sent: str = ""
    sent_after: str = ""
    possessive: str = ""
    get: str = ""


LANGUAGES: Final[dict[str, Phrases]] = {
    "en": Phrases(
        wrote="wrote|writes",
        original="original message|original email|original mail|reply message|replied message|original appointment|"
                 "begin reply message",
        forwarded="forwarded message|begin forwarded message|forwarded by|forwarded mail|start of forwarded message",
        sender="from|sender", date="sent|date|sent at|sent on|received", to="to|cc|bcc|reply-to|recipient|importance",
        subject="subject|re",
        sent="sent from|sent via|sent with|sent using|sent by|sent on|sent through|send from|composed on",
        possessive="my|the", get="get|download"),
    "de": Phrases(
        wrote="schrieb|hat geschrieben|schrieb folgendes|schreibt|geschrieben",
        original="ursprüngliche nachricht|ursprungliche nachricht|originalnachricht|original-nachricht|"
                 "original nachricht|originalmail|ursprüngliche mail|originale nachricht",
        forwarded="weitergeleitete nachricht|anfang der weitergeleiteten nachricht|anfang der weitergeleiteten e-mail|"
                  "beginn der weitergeleiteten nachricht|beginn der weitergeleiteten e-mail|weitergeleitet von|"
                  "weitergeleitete e-mail|weitergeleitete mail",
        sender="von|absender", date="gesendet|datum|gesendet am", to="an|cc|kopie|antwort an|empfänger",
        subject="betreff",
        sent="gesendet von|gesendet mit|gesendet aus|gesendet über|"
             "diese nachricht wurde von|diese e-mail wurde von|diese mail wurde von|versendet mit|verschickt mit",
        possessive="meinem|meiner|mein", get="holen sie sich|laden sie|beziehen|herunterladen"),
    "fr": Phrases(
        wrote="a écrit|écrit|a ecrit",
        original="message d'origine|message d’origine|message original|message initial|courriel original|"
                 "mail original|e-mail d'origine|e-mail d’origine",
        forwarded="message transféré|message transmis|début du message transféré|début du message réexpédié|"
                  "début du message transmis|e-mail transféré|courriel transféré|transféré par",
        sender="de|expéditeur|expediteur", date="envoyé|envoye|date|date d'envoi|envoyé le|envoyé à",
        to="à|a|cc|pour|destinataire|copie à|répondre à", subject="objet|sujet",
        sent="envoyé de|envoyé depuis|envoyé à partir|envoyé avec|envoyé via|envoyé par|provenance : courrier",
        possessive="mon|ma", get="obtenez|obtenir|télécharger|téléchargez"),
    "es": Phrases(
        wrote="escribió|escribio|ha escrito|escribe|escribió lo siguiente",
        original="mensaje original|correo original|mensaje inicial",
        forwarded="mensaje reenviado|inicio del mensaje reenviado|comienzo del mensaje reenviado|reenviado por|"
                  "correo reenviado",
        sender="de|remitente", date="enviado el|enviado|fecha|fecha de envío", to="para|cc|a|destinatario|con copia",
        subject="asunto",
        sent="enviado desde|enviado con|enviado mediante|enviado por|enviado vía|obtén",
        possessive="mi", get="obtener|obtén|obtenga|descargar|consigue"),
    "pt": Phrases(
        wrote="escreveu|escreveu o seguinte",
        original="mensagem original|e-mail original|mensagem inicial",
        forwarded="mensagem encaminhada|início da mensagem encaminhada|início da mensagem reencaminhada|"
                  "mensagem reencaminhada|encaminhado por|mensagem transmitida",
        sender="de|remetente", date="enviada em|enviado em|enviada|enviado|data", to="para|cc|destinatário|cópia",
        subject="assunto",
        sent="enviado do|enviado de|enviado a partir|enviada do|enviado pelo|enviado com|enviado através|enviado via",
        possessive="meu|minha", get="obter|obtenha|baixar|baixe"),
    "it": Phrases(
        wrote="ha scritto|scrive|scriveva|ha scritto quanto segue",
        original="messaggio originale|messaggio iniziale|mail originale|email originale",
        forwarded="messaggio inoltrato|inizio messaggio inoltrato|inizio del messaggio inoltrato|inoltrato da",
        sender="da|mittente", date="inviato|data|inviato il|data invio", to="a|cc|per|destinatario|ccn",
        subject="oggetto",
        sent="inviato da|inviato dal|inviato dall|inviato con|inviato tramite|inviata da",
        possessive="mio|mia", get="scarica|ottieni"),
    "nl": Phrases(
        wrote="schreef|heeft het volgende geschreven|heeft geschreven|geschreven|schreef het volgende",
        original="oorspronkelijk bericht|oorspronkelijke bericht|origineel bericht|originele bericht|"
                 "oorspronkelijke e-mail",
        forwarded="doorgestuurd bericht|begin doorgestuurd bericht|doorgestuurde bericht|doorgestuurd door|"
                  "begin van doorgestuurd bericht",
        sender="van|afzender", date="verzonden|datum|verzonden op|verstuurd", to="aan|cc|kopie|ontvanger",
        subject="onderwerp",
        sent="verzonden vanaf|verzonden vanuit|verzonden met|verzonden via|verzonden door|verstuurd vanaf|verstuurd met|verstuurd via|"
             "vanaf mijn",
        possessive="mijn|m'n", get="downloaden|download|haal"),
    "pl": Phrases(
        wrote="napisał(a)|wiadomość napisana przez|napisał|napisała|pisze|napisano|napisał/a|napisał(a) następujące",
        original="wiadomość oryginalna|oryginalna wiadomość|wiadomość pierwotna|treść oryginalnej wiadomości",
        forwarded="wiadomość przekazana|przekazana wiadomość|początek przekazywanej wiadomości|wiadomość przekazana dalej|"
                  "treść przekazanej wiadomości|początek przekazanej wiadomości",
        sender="od|nadawca", date="wysłano|wysłane|data|data wysłania", to="do|dw|udw|adresat|kopia|odbiorca",
        subject="temat",
        sent="wysłane z|wysłano z|wysłane za pomocą|wysłano za pomocą|wysłane przez",
        possessive="mojego", get="pobierz|uzyskaj|pobierz aplikację"),
    "cs": Phrases(
        wrote="napsal(a)|napsal|napsala|píše|napsal/a",
        original="původní zpráva|původní e-mail|originální zpráva|původní email|puvodni zprava",
        forwarded="přeposlaná zpráva|začátek přeposlané zprávy|začátek přeposílané zprávy|předaná zpráva",
        sender="od|odesílatel", date="odesláno|datum|odesláno dne", to="komu|kopie|pro|příjemce", subject="předmět",
        sent="odesláno z|odesláno ze|odesláno pomocí|odesláno přes", possessive="mého|mé|svého",
        get="získat|stáhnout|stáhněte"),
    "sk": Phrases(
        wrote="napísal(a)|napísal|napísala|píše|napísal/a",
        original="pôvodná správa|originálna správa|pôvodný e-mail",
        forwarded="preposlaná správa|začiatok preposlanej správy|posunutá správa",
        sender="od|odosielateľ", date="odoslané|dátum|odoslaná", to="komu|kópia|príjemca|pre", subject="predmet",
        sent="odoslané z|odoslané zo|odoslané pomocou", possessive="môjho|mojho", get="získajte|stiahnuť"),
    "sv": Phrases(
        wrote="skrev|skrev följande|skriver",
        original="ursprungligt meddelande|originalmeddelande|ursprungligt mail|ursprungligt mejl",
        forwarded="vidarebefordrat meddelande|vidarebefordrat brev|vidarebefordrat mejl|vidarebefordrat mail|"
                  "vidarebefordrat e-postmeddelande|börja på vidarebefordrat meddelande",
        sender="från|avsändare", date="skickat|datum|skickades", to="till|kopia|mottagare", subject="ämne",
        sent="skickat från|skickat via|skickat med", possessive="min|mitt", get="hämta|skaffa"),
    "da": Phrases(
        wrote="skrev|skrev følgende|skriver",
        original="oprindelig meddelelse|original meddelelse|oprindelig besked|original besked|oprindelig mail",
        forwarded="videresendt meddelelse|videresendt besked|start på videresendt besked|videresendt mail|"
                  "begyndelse på videresendt besked",
        sender="fra|afsender", date="sendt|dato", to="til|cc|kopi|modtager", subject="emne",
        sent="sendt fra|sendt via|sendt med", possessive="min|mit", get="hent|få"),
    "nb": Phrases(
        wrote="skrev|skrev følgende|skriver",
        original="opprinnelig melding|original melding|opprinnelig e-post|originalmelding",
        forwarded="videresendt melding|start på videresendt melding|videresendt e-post|videresendt",
        sender="fra|avsender", date="sendt|dato", to="til|kopi|mottaker", subject="emne",
        sent="sendt fra|sendt via|sendt med", possessive="min|mitt", get="hent|skaff deg|last ned"),
    "fi": Phrases(
        wrote="kirjoitti|kirjoittaa|kirjoitti seuraavaa",
        original="alkuperäinen viesti|alkuperäinen sähköposti|alkuperäinen sanoma",
        forwarded="välitetty viesti|välitetty viesti alkaa|edelleenlähetetty viesti|alkaa välitetty viesti",
        sender="lähettäjä|keneltä", date="lähetetty|päivämäärä|päiväys|pvm", to="vastaanottaja|kopio|saaja|kenelle",
        subject="aihe|otsikko", sent="lähetetty", possessive="", get="hanki|lataa"),
    "ru": Phrases(
        wrote="написал(а)|написал|написала|пишет|писал|писал(а)|написал следующее|пользователь",
        original="исходное сообщение|оригинальное сообщение|исходное письмо|первоначальное сообщение|"
                 "пересылаемое сообщение",
        forwarded="пересланное сообщение|пересылаемое сообщение|начало переадресованного сообщения|"
                  "начало пересылаемого сообщения|пересылаемое письмо|пересланное письмо|"
                  "конец пересылаемого сообщения",
        sender="от|от кого|отправитель", date="отправлено|дата|отправлен|дата отправки",
        to="кому|копия|получатель|получатели", subject="тема",
        sent="отправлено с|отправлено из|отправлено через|отправлено со|отправлено при помощи|послано с",
        possessive="моего|моей", get="скачать|получить|загрузить|скачайте"),
    "uk": Phrases(
        wrote="написав(ла)|написав|написала|пише|написав/ла|писав|писала|пише",
        original="вихідне повідомлення|оригінальне повідомлення|початкове повідомлення|первинне повідомлення|"
                 "оригінал повідомлення",
        forwarded="переслане повідомлення|початок листа, що пересилається|переслане повідомлення від|"
                  "перенаправлене повідомлення|пересланий лист",
        sender="від|від кого|відправник", date="надіслано|відправлено|дата|надісланий", to="кому|копія|одержувач",
        subject="тема", sent="надіслано з|відправлено з|надіслано через|надіслано зі", possessive="мого|моєї",
        get="отримати|завантажити|отримайте|завантажте"),
    "tr": Phrases(
        wrote="yazdı|şunu yazdı|şunları yazdı|yazmış|şöyle yazdı",
        original="özgün ileti|orijinal mesaj|orijinal ileti|özgün mesaj|orjinal mesaj|asıl ileti|orijinal e-posta",
        forwarded="iletilmiş mesaj|iletilen mesaj|iletilmiş ileti|iletilen ileti|yönlendirilmiş ileti|ilet",
        sender="kimden|gönderen", date="gönderildi|tarih|gönderme tarihi|gönderim tarihi|gönderilme tarihi|gönderilen",
        to="kime|alıcı|bilgi|bilgi (cc)", subject="konu",
        sent_after="gönderildi|gönderilmiştir|gönderdim", sent="", possessive="", get="edinin|indirin|alın"),
    "el": Phrases(
        wrote="έγραψε|γράφει|έγραψε τα εξής|έγραψαν",
        original="αρχικό μήνυμα|πρωτότυπο μήνυμα|αρχικο μηνυμα|αρχικό email",
        forwarded="προωθημένο μήνυμα|έναρξη προωθημένου μηνύματος|προωθημένο μήνυμα από|προωθούμενο μήνυμα",
        sender="από|αποστολέας", date="στάλθηκε|ημερομηνία|αποστολή|εστάλη|ημ/νία", to="προς|κοιν|κοινοποίηση|παραλήπτης",
        subject="θέμα", sent="στάλθηκε από|εστάλη από|απεστάλη από|στάλθηκε με", possessive="", get="λήψη|αποκτήστε"),
    "hu": Phrases(
        wrote="írta|ezt írta|a következőt írta|írta a következőt|az alábbiakat írta|ezeket írta",
        original="eredeti üzenet|eredeti levél|eredeti e-mail",
        forwarded="továbbított üzenet|továbbított levél|továbbított levél kezdete|továbbított üzenet kezdete",
        sender="feladó|küldő", date="elküldve|küldve|dátum|küldés dátuma|küldte|küldés ideje",
        to="címzett|címzettek|másolat|másolatot kap", subject="tárgy",
        sent_after="küldve|elküldve|küldtem|küldött üzenet", sent="elküldve|küldve|elküldte", possessive="", get="töltse le|beszerzése|letöltése"),
    "ro": Phrases(
        wrote="a scris|scrie|a scris următoarele|au scris",
        original="mesaj original|mesajul original|mesajul inițial|mesaj inițial|mesajul iniţial",
        forwarded="mesaj redirecționat|mesaj redirecţionat|începutul mesajului redirecționat|mesaj retransmis|"
                  "începe mesajul redirecționat|mesaj înaintat|mesaj transmis mai departe",
        sender="de la|expeditor|expeditorul|from", date="trimis|data|trimis la|dată|expediat", to="către|catre|cc|destinatar|la",
        subject="subiect|subiectul", sent="trimis de pe|trimis de la|trimis din|trimis prin|expediat de pe|trimis cu",
        possessive="meu", get="descărcați|obțineți|obține|descarcă"),
    "he": Phrases(
        wrote="כתב|כתבה|כתב/ה|כתב(ה)|כתבו|מאת|כותב|כותבת|נכתב על ידי",
        original="הודעה מקורית|ההודעה המקורית|מסר מקורי|הודעת מקור",
        forwarded="הודעה שהועברה|הודעה מועברת|תחילת ההודעה שהועברה|התחלת ההודעה שהועברה|הודעה שהועברה מ",
        sender="מאת|השולח", date="נשלח|תאריך|נשלח בתאריך|נשלח ב", to="אל|עותק|לכבוד|עבור|העתק|נמען", subject="נושא|הנדון",
        sent="נשלח מ|נשלח באמצעות|נשלח מה", possessive="", get="קבל את|השג את|הורד את|להורדת"),
    "ar": Phrases(
        wrote="كتب|كتبت|كَتب|كتب/ت|كتب ما يلي|كتب التالي|أرسل|يكتب",
        original="الرسالة الأصلية|الرسالة الأصليَّة|رسالة أصلية|الرسالة الاصلية|رسالة أصليّة",
        forwarded="رسالة معاد توجيهها|الرسالة المعاد توجيهها|رسالة ممررة|رسالة محوّلة|بدء الرسالة المعاد توجيهها|رسالة ممرّرة",
        sender="من|المرسل|مرسل", date="تم الإرسال|التاريخ|تاريخ|أرسلت|تاريخ الإرسال|مرسلة|تم إرساله|ارسل",
        to="إلى|الى|نسخة|المستلم|نسخة إلى", subject="الموضوع|موضوع",
        sent="أرسلت من|أُرسلت من|تم الإرسال من|مرسل من|مُرسل من|أرسل من|أُرسل من|تم الارسال من", possessive="",
        get="احصل على|الحصول على|تنزيل"),
    "ja": Phrases(
        wrote="書きました|さんは書きました|のメール|wrote|さんが書きました|からのメール|は書きました|さんからのメール",
        original="元のメッセージ|オリジナルメッセージ|元のメール|原文メッセージ",
        forwarded="転送されたメッセージ|転送メッセージ|転送されたメール|転送メール|転送元のメッセージ",
        sender="差出人|送信者|送信元|from", date="送信日時|日付|送信日|日時|受信日時|送信済み",
        to="宛先|to|cc|ｃｃ|写し", subject="件名", sent_after="から送信|より送信|で送信|から送信しました|からの送信", sent="", possessive="", get="を入手"),
    "zh": Phrases(
        wrote="写道|寫道|写到|寫到|写了|寫了|來信|来信|写下|撰寫|編寫",
        original="原始邮件|原始郵件|原邮件|原郵件|原始信件|原始訊息|回复的原邮件|回复的邮件|邮件原件|原始消息|来信原文|"
                 "回覆的原郵件|original|original mail",
        forwarded="转发的邮件|转发邮件|已转发邮件|转发的邮件信息|转发的原邮件|轉寄的郵件|轉寄郵件|轉寄的訊息|轉寄信件|转发邮件信息|"
                  "開始轉寄郵件|开始转发邮件|已轉寄郵件|转发的消息|開始轉寄的訊息",
        sender="发件人|寄件者|寄件人|發件人|发送人|寄件者郵件", date="发送时间|发送日期|日期|寄件日期|傳送時間|傳送日期|發送日期|發送時間|"
                                                 "寄送日期|已发送|时间|時間|寄件時間|发送于|已傳送",
        to="收件人|收件者|抄送|副本|抄送人|抄送至|密送", subject="主题|主旨|主題|标题|標題|邮件主题",
        sent_after="发送|傳送|寄出|發送|发出", sent="从我的|從我的|发自我的|發自我的|发自|發自|发送自|來自我的|来自我的", possessive="", get="获取|下载|取得|下載|獲取"),
    "ko": Phrases(
        wrote="님이 작성|작성|님이 작성한 메시지|님이 쓴 글|쓴 글|님이 보낸 메일|이(가) 쓴 글|에 쓴 글|님의 말|님이 쓰신 글|썼습니다",
        original="원본 메시지|원본 메일|원본메일|원본 메세지|원문 메시지|원본메시지|원래 메시지|받은 메일",
        forwarded="전달된 메시지|전달된 메일|전달한 메시지|전달된메시지|전달받은 메시지|이메일 전달 시작",
        sender="보낸 사람|보낸사람|보낸이|발신|발신자|보낸 이", date="보낸 날짜|보낸날짜|날짜|보낸 시간|보낸시간|일시|발송일|"
                                                    "보냄|보낸일시",
        to="받는 사람|받는사람|받는이|수신|참조|수신자|받는 이", subject="제목", sent_after="에서 보냄|에서 보냈습니다|에서 전송|로 보냄|에서 전송됨|에서 보낸 메일", sent="나의", possessive="", get="다운로드|가져오기|받기"),
    "hr": Phrases(
        wrote="je napisao|je napisala|je napisao/la|napisao|napisala|napisao/la|je napisao(la)|piše|napisao je|napisala je",
        original="izvorna poruka|originalna poruka|izvorna poruka e-pošte",
        forwarded="proslijeđena poruka|započni proslijeđenu poruku|prosleđena poruka|početak proslijeđene poruke",
        sender="šalje|od|pošiljatelj|pošiljalac|od koga", date="poslano|datum|poslato", to="prima|za|kopija|primatelj|kome",
        subject="predmet|naslov|tema", sent="poslano iz|poslano s|poslano sa|poslato sa|poslato iz", possessive="mog|mojeg",
        get="nabavite|preuzmite"),
    "sl": Phrases(
        wrote="je napisal|je napisala|je napisal(a)|napisal|napisala|piše|napisal(a)|je napisal/a",
        original="izvirno sporočilo|prvotno sporočilo|originalno sporočilo",
        forwarded="posredovano sporočilo|začetek posredovanega sporočila",
        sender="od|pošiljatelj", date="poslano|datum", to="za|kp|prejemnik|komu", subject="zadeva",
        sent="poslano iz|poslano z|poslano s", possessive="mojega", get="pridobite|prenesite"),
    "bg": Phrases(
        wrote="написа|писа|пише|написа следното",
        original="оригинално съобщение|оригинално писмо|първоначално съобщение",
        forwarded="препратено съобщение|начало на препратеното съобщение|препратено писмо",
        sender="от|подател|изпращач", date="изпратено|дата|изпратено на", to="до|копие|получател", subject="относно|тема",
        sent="изпратено от|изпратено с|изпратено чрез", possessive="моя|моето", get="изтеглете|вземете"),
    "sr": Phrases(
        wrote="је написао|је написала|је написао/ла|написао|написала|пише|је написао(ла)",
        original="изворна порука|оригинална порука|првобитна порука",
        forwarded="прослеђена порука|почетак прослеђене поруке",
        sender="од|шаље|пошиљалац", date="послато|датум", to="за|прима|копија|коме", subject="тема|предмет|наслов",
        sent="послато са|послато из|послато преко", possessive="мог", get="преузмите"),
    "lt": Phrases(
        wrote="rašė|parašė|rašo", original="pradinis laiškas|originalus laiškas|pradinis pranešimas|pirminis laiškas",
        forwarded="persiųstas laiškas|persiųsta žinutė|persiunčiamas laiškas|persiųstas pranešimas",
        sender="nuo|siuntėjas", date="išsiųsta|data|išsiųstas", to="kam|kopija|gavėjas|skirta", subject="tema",
        sent="išsiųsta iš|siųsta iš|išsiųsta naudojant", possessive="mano", get="gaukite|atsisiųskite"),
    "lv": Phrases(
        wrote="rakstīja|raksta|rakstīja šādi", original="sākotnējais ziņojums|sākotnējā vēstule|oriģinālais ziņojums|sākotnējā ziņa",
        forwarded="pārsūtīta vēstule|pārsūtīts ziņojums|pārsūtītais ziņojums|pārsūtītā ziņa",
        sender="no|sūtītājs", date="nosūtīts|datums|nosūtīta", to="kam|kopija|saņēmējs", subject="tēma|temats",
        sent="nosūtīts no|sūtīts no|nosūtīta no", possessive="mana", get="iegūstiet|lejupielādējiet"),
    "et": Phrases(
        wrote="kirjutas|kirjutas järgmist|kirjutab", original="algne kiri|algne sõnum|algne teade|algkiri|originaalsõnum",
        forwarded="edastatud kiri|edastatud sõnum|edasisaadetud kiri|edastatud teade",
        sender="saatja|kellelt", date="saadetud|kuupäev|saatmisaeg|saatmiskuupäev", to="kellele|koopia|adressaat|saaja",
        subject="teema", sent="saadetud", possessive="minu", get="hankige|laadige"),
    "vi": Phrases(
        wrote="đã viết|viết|đã viết những nội dung sau", original="thư gốc|tin nhắn gốc|thư ban đầu|thông điệp gốc|tin nhắn ban đầu",
        forwarded="thư đã chuyển tiếp|tin nhắn chuyển tiếp|thư được chuyển tiếp|bắt đầu tin nhắn được chuyển tiếp|chuyển tiếp thư|"
                  "thư chuyển tiếp",
        sender="từ|người gửi", date="ngày|đã gửi|gửi lúc|ngày gửi|vào lúc|gửi", to="đến|tới|người nhận|gửi tới|đồng gửi",
        subject="chủ đề|tiêu đề|v/v", sent="gửi từ|đã gửi từ|được gửi từ|gửi bằng", possessive="", get="tải|lấy"),
    "th": Phrases(
        wrote="เขียนว่า|เขียน|ได้เขียนว่า|เขียนดังนี้", original="ข้อความต้นฉบับ|ข้อความเดิม|จดหมายต้นฉบับ|ต้นฉบับข้อความ",
        forwarded="ข้อความที่ส่งต่อ|เริ่มข้อความที่ส่งต่อ|ข้อความส่งต่อ|จดหมายส่งต่อ",
        sender="จาก|ผู้ส่ง", date="ส่ง|วันที่|ส่งเมื่อ|เวลา|วันที่ส่ง", to="ถึง|สำเนา|สำเนาถึง|ผู้รับ", subject="เรื่อง|หัวเรื่อง|ชื่อเรื่อง",
        sent="ส่งจาก|ส่งโดย|ส่งด้วย|ส่งผ่าน", possessive="", get="รับ|ดาวน์โหลด"),
    "id": Phrases(
        wrote="menulis|berkata|menulis berikut ini", original="pesan asli|pesan awal|email asli",
        forwarded="pesan terusan|pesan yang diteruskan|mulai pesan terusan|awal pesan terusan|diteruskan oleh",
        sender="dari|pengirim|daripada", date="dikirim|tanggal|terkirim|tarikh|dihantar", to="kepada|ke|untuk|penerima|salinan|tembusan",
        subject="subjek|perihal|judul|subyek|hal", sent="dikirim dari|terkirim dari|dihantar dari|dikirim dengan|dikirim melalui",
        possessive="", get="dapatkan|unduh"),
    "ca": Phrases(
        wrote="va escriure|missatge de|ha escrit|escrigué|escriu|va escriure el següent", original="missatge original|correu original|missatge inicial",
        forwarded="missatge reenviat|inici del missatge reenviat|missatge tramès|missatge reexpedit",
        sender="de|remitent", date="enviat el|enviat|data|tramès", to="per a|a|per|cc|destinatari", subject="assumpte|tema",
        sent="enviat des|enviat de|enviat amb|enviat per|enviat a través", possessive="meu", get="obteniu|obtén|aconsegueix"),
    "gl": Phrases(
        wrote="escribiu|escribiu o seguinte", original="mensaxe orixinal", forwarded="mensaxe reenviada|mensaxe reenviado",
        sender="de", date="enviado|data", to="para", subject="asunto", sent="enviado dende", possessive="meu", get="obter"),
    "eu": Phrases(
        wrote="idatzi du|igorleak idatzi du|igorleak hau idatzi du", original="jatorrizko mezua", forwarded="birbidalitako mezua",
        sender="nork|igorlea", date="bidalia|data", to="nori|hartzailea", subject="gaia", sent="bidalia"),
    "is": Phrases(
        wrote="skrifaði|reit|skrifar", original="upprunalegt skeyti|upprunaleg skilaboð|upphaflegur póstur",
        forwarded="áframsent skeyti|framsend skilaboð|áframsendur póstur",
        sender="frá|sendandi", date="sent|dagsetning|sendt|dags", to="til|afrit|viðtakandi", subject="efni",
        sent="sent úr|sent frá", possessive="mínum", get="sækja"),
    "fa": Phrases(
        wrote="نوشت|نوشته|نوشته است", original="پیام اصلی|نامهٔ اصلی|نامه اصلی", forwarded="پیام ارسال شده|پیام هدایت شده|نامهٔ هدایت‌شده",
        sender="از|فرستنده", date="تاریخ|ارسال شده|فرستاده شده", to="به|گیرنده|رونوشت", subject="موضوع",
        sent="ارسال شده از|ارسال از|فرستاده شده از"),
    "hi": Phrases(
        wrote="ने लिखा|लिखा", original="मूल संदेश|मूल मैसेज", forwarded="अग्रेषित संदेश|फ़ॉरवर्ड किया गया संदेश",
        sender="प्रेषक|द्वारा|से", date="भेजा गया|दिनांक|तारीख|प्रेषित", to="प्रति|को|प्रतिलिपि", subject="विषय"),
}  # fmt: skip
