"""The words of the patient's extract, Swedish and English: what was done, and the heads of the columns."""

ACTIONS: dict[str, tuple[str, str]] = {
    "read": ("Läste uppgifterna", "Read the data"),
    "search": ("Sökte fram patienten", "Searched for the patient"),
    "store": ("Lagrade bilder eller dokument", "Stored images or documents"),
    "register_documents": ("Registrerade dokument om patienten", "Registered documents about the patient"),
    "deliver": ("Undersökningen skickades till mottagaren", "The study was sent to the receiver"),
    "commit": ("Kontrollerade att undersökningen är lagrad", "Checked that the study is stored"),
    "reject": ("Kasserade bilder", "Rejected images"),
    "restore": ("Återställde bilder", "Restored images"),
    "confirm_rebuilt": (
        "Bekräftade undersökningen efter driftstörning",
        "Confirmed the study after a failure",
    ),
    "delete": ("Raderade undersökningen eller delar av den", "Deleted the study or parts of it"),
    "export": ("Tog ut undersökningen ur systemet", "Took the study out of the system"),
    "audit_read": ("Läste loggen om patienten", "Read the log about the patient"),
    "emergency_locate": (
        "Såg i en nödsituation var spärrade uppgifter finns",
        "Saw in an emergency where blocked data are",
    ),
    "emergency_open": ("Öppnade uppgifterna i en nödsituation", "Opened the data in an emergency"),
    "emergency_close": ("Avslutade nödöppningen", "Ended the emergency opening"),
    "emergency_review": ("Granskade en nödöppning", "Reviewed an emergency opening"),
    "review_draw": ("Drog stickprov ur loggen", "Drew a sample of the log"),
    "review_finding": ("Granskade en åtkomst till uppgifterna", "Reviewed an access to the data"),
    "review_sign": ("Avslutade en granskning av loggen", "Signed off a review of the log"),
    "consent_register": ("Registrerade samtycke", "Registered a consent"),
    "consent_withdraw": ("Återtog samtycke", "Withdrew a consent"),
    "consent_read": ("Läste samtycken och spärrar", "Read consents and blocks"),
    "block_register": ("Registrerade en spärr", "Registered a block"),
    "block_cancel": ("Tog bort en spärr", "Cancelled a block"),
    "lift": ("Hävde en spärr för en tid", "Lifted a block for a time"),
    "lift_cancel": ("Avslutade en hävd spärr", "Ended a lift of a block"),
    "share": ("Delade undersökningen med en annan enhet", "Shared the study with another unit"),
    "share_withdraw": ("Avslutade en delning", "Ended a share"),
    "send_now": ("Skickade undersökningar till en annan enhet", "Sent studies to another unit"),
    "send_withdraw": ("Avbröt en sändning", "Withdrew a sending"),
    "delivery_hold": ("Höll kvar en leverans", "Held a delivery"),
    "delivery_release": ("Släppte en leverans", "Released a delivery"),
    "delivery_withdraw": ("Återkallade en leverans", "Withdrew a delivery"),
    "delivery_replay": ("Lät skicka en leverans igen", "Had a delivery sent again"),
    "delivery_verify": ("Lät kontrollera en leverans", "Had a delivery verified again"),
    "recall": ("Kallade tillbaka bilder från mottagare", "Recalled images from receivers"),
    "recall_done": (
        "Intygade att bilder har tagits bort hos mottagaren",
        "Confirmed that images were removed at the receiver",
    ),
    "worklist_done": ("Markerade en undersökning som klar", "Marked a study as done"),
    "flag_set": ("Satte en markering om patienten", "Set a mark about the patient"),
    "flag_end": ("Tog bort en markering om patienten", "Removed a mark about the patient"),
    "relative_add": ("Registrerade en närstående bland personalen", "Registered a relative among the staff"),
    "relative_end": ("Tog bort en närstående bland personalen", "Removed a relative among the staff"),
    "relation_declare": (
        "Angav att hen deltar i patientens vård",
        "Stated to take part in the patient's care",
    ),
    "relation_register": ("Registrerade en vårdrelation", "Registered a care relation"),
    "relation_end": ("Avslutade en vårdrelation", "Ended a care relation"),
    "choice": ("Valde att läsa en annan enhets uppgifter", "Chose to read another unit's data"),
    "reason_given": ("Angav skäl för att läsa", "Gave a reason for reading"),
    "patient_feed": ("Tog emot personuppgifter eller ett besök", "Received demographics or a visit"),
    "order_feed": ("Tog emot en remiss", "Received an order"),
    "patient_merge": ("Förde samman två identiteter", "Merged two identities"),
    "patient_link": ("Kopplade två identiteter", "Linked two identities"),
    "patient_moved": ("Flyttade uppgifter till rätt person", "Moved data to the right person"),
    "patient_merge_undone": ("Återtog en sammanföring av identiteter", "Undid a merge of identities"),
    "merge_asked": ("Begärde en sammanföring av identiteter", "Asked for a merge of identities"),
    "merge_made": ("Godkände en sammanföring av identiteter", "Approved a merge of identities"),
    "merge_refused": ("Avslog en sammanföring av identiteter", "Refused a merge of identities"),
    "merge_withdrawn": ("Drog tillbaka en begärd koppling", "Withdrew a link that was asked for"),
    "patient_removed": ("Tog bort en person utan uppgifter", "Removed a person of whom nothing is kept"),
    "merge_read": ("Såg en sammanföring av identiteter", "Saw a merge of identities"),
    "report_feed": ("Tog emot ett utlåtande", "Received a report"),
    "report_read": ("Läste utlåtandet", "Read the report"),
    "correction_seen": (
        "Kvitterade att ett läst utlåtande har rättats",
        "Acknowledged that a report that was read has been corrected",
    ),
}
"""By the word in the log; another word is shown as it is."""

OUTCOMES: dict[str, tuple[str, str]] = {
    "refused": ("Nekades", "Refused"),
    "failed": ("Misslyckades", "Failed"),
}

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Utdrag ur åtkomstloggen", "Extract of the access log"),
    "about": ("Patient", "Patient"),
    "period": ("Tid", "Period"),
    "made": ("Framställt", "Made"),
    "when": ("När", "When"),
    "organisation": ("Vårdgivare, enhet, avdelning", "Care provider, unit, department"),
    "who": ("Vem", "Who"),
    "what": ("Vad", "What"),
    "why": ("Varför", "Why"),
    "rule": ("regel", "rule"),
    "page": ("Sida", "Page"),
    "system": ("System", "System"),
    "protected": ("namnet är skyddat", "the name is protected"),
    "for": ("för", "for"),
    "from_beginning": ("från början", "from the beginning"),
    "until_today": ("till i dag", "until today"),
    "cut": (
        "Utdraget är avkortat: begär ett för en kortare tid.",
        "The extract is cut short: ask for one of a shorter time.",
    ),
    "nothing": ("Ingen åtkomst är loggad under tiden.", "No access is logged in this time."),
    "law": (
        "Varje rad är en åtkomst till patientens uppgifter, eller ett försök. Frågor besvaras av vårdgivaren.",
        "Each row is an access to the patient's data, or an attempt. The care provider answers questions.",
    ),
}


def choose(pair: tuple[str, str], language: str) -> str:
    """Return the Swedish or the English of a pair."""
    return pair[0] if language.startswith("sv") else pair[1]


def say(name: str, language: str) -> str:
    """Return one of `TEXTS`."""
    return choose(TEXTS[name], language)
