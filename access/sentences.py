"""One sentence for every outcome of a decision, in Swedish and English: everybody reads the same."""

from access.policy import Decision

SENTENCES: dict[tuple[str, str], tuple[str, str]] = {
    ("deny", "no_right"): (
        "Uppdraget ger inte rätt att läsa undersökningar; den som är verksamhetschef kan ändra uppdraget.",
        "The assignment gives no right to read studies; the head of unit can change it.",
    ),
    ("deny", "other_purpose"): (
        "Uppdraget är inte för vård och behandling; patientuppgifter läses bara för vård.",
        "The assignment is not for care and treatment; patient data are read for care only.",
    ),
    ("deny", "closed"): (
        "Undersökningen väntar på att en oklarhet om patienten reds ut och syns bara för avdelningen som äger den.",
        "The study waits until a question about its patient is settled and is seen by its own department only.",
    ),
    ("deny", "own_record"): (
        "Ingen öppnar sin egen journal i tjänsten; begär ut uppgifterna som patient.",
        "Nobody opens their own record at work; ask for the data as a patient.",
    ),
    ("deny", "no_agreement"): (
        "Vårdgivaren som äger undersökningen har inget avtal om sammanhållen vårddokumentation med er.",
        "The care provider that owns the study has no agreement on shared documentation with yours.",
    ),
    ("deny", "opted_out"): (
        "Patienten har sagt nej till att uppgifterna delas.",
        "The patient has refused to let the data be shared.",
    ),
    ("deny", "blocked"): (
        "Patienten har spärrat uppgifterna.",
        "The patient has blocked the data.",
    ),
    ("deny", "blocks_unknown"): (
        "Spärrtjänsten svarar inte; andra vårdgivares uppgifter är stängda tills den gör det.",
        "The block service does not answer; data of other care providers are closed until it does.",
    ),
    ("deny", "not_delivered"): (
        "Systemet läser det som den egna enheten lagrat eller fått levererat.",
        "The system reads what its own unit stored or was delivered.",
    ),
    ("needs", "blocked"): (
        "Patienten har spärrat uppgifterna; de öppnas genom att spärren hävs eller i en nödsituation.",
        "The patient has blocked the data; they open when the block is lifted or in an emergency.",
    ),
    ("needs", "relation_missing"): (
        "Det finns ingen vårdrelation till patienten; ange varför du deltar i vården.",
        "There is no care relation to the patient; state why you take part in the care.",
    ),
    ("needs", "choice_missing"): (
        "Uppgifterna hör till en annan vårdenhet; välj att läsa dem om vården kräver det.",
        "The data are those of another care unit; choose to read them if the care needs it.",
    ),
    ("needs", "consent_missing"): (
        "Andra vårdgivares uppgifter läses med patientens samtycke; registrera det.",
        "Data of other care providers are read with the patient's consent; register it.",
    ),
    ("needs", "vip"): (
        "Patienten är en offentlig person; ange skälet, läsningen granskas.",
        "The patient is a public person; give the reason, the access is reviewed.",
    ),
    ("needs", "staff"): (
        "Patienten arbetar i vården; ange skälet, läsningen granskas.",
        "The patient works in health care; give the reason, the access is reviewed.",
    ),
    ("needs", "relative"): (
        "Patienten är närstående till dig; ange skälet, läsningen granskas.",
        "The patient is close to you; give the reason, the access is reviewed.",
    ),
    ("permit", "region_tool"): (
        "Regionens verktyg för drift och flytt av uppgifter.",
        "The region's tool for operation and migration.",
    ),
    ("permit", "own_objects"): (
        "Systemet hör till enheten som äger undersökningen.",
        "The system belongs to the unit that owns the study.",
    ),
    ("permit", "delivered"): (
        "Undersökningen är levererad till systemets avdelning.",
        "The study was delivered to the system's department.",
    ),
    ("permit", "own_provider"): (
        "Mottagaren hör till vårdgivaren som äger undersökningen.",
        "The receiver belongs to the care provider that owns the study.",
    ),
    ("permit", "shared"): (
        "Undersökningen är delad med avdelningen.",
        "The study is shared with the department.",
    ),
    ("permit", "took_part"): (
        "Läsaren har själv deltagit i undersökningen.",
        "The reader took part in the study.",
    ),
    ("permit", "relation"): (
        "Enheten deltar i patientens vård.",
        "The unit takes part in the patient's care.",
    ),
    ("permit", "choice"): (
        "Enheten deltar i patientens vård och läsaren valde att läsa den andra enhetens uppgifter.",
        "The unit takes part in the patient's care and the reader chose to read the other unit's data.",
    ),
    ("permit", "consent"): (
        "Patienten har samtyckt till att andra vårdgivares uppgifter läses.",
        "The patient has consented to the reading of other care providers' data.",
    ),
    ("permit", "incapacity"): (
        "Patienten kan inte ta ställning; nödvändig vård enligt registrerad bedömning.",
        "The patient cannot decide; necessary care by a registered assessment.",
    ),
    ("permit", "emergency"): (
        "Öppnad i en nödsituation; öppningen granskas.",
        "Opened in an emergency; the opening is reviewed.",
    ),
}
"""By effect and reason: Swedish, English."""


def explain(decision: Decision, language: str) -> str:
    """Say in one sentence why: `sv` or, for every other language, English."""
    return explain_reason(decision.effect, decision.reason, language)


def explain_reason(effect: str, reason: str, language: str) -> str:
    """Say in one sentence what an effect and a reason of the log mean."""
    swedish, english = SENTENCES[effect, reason]
    return swedish if language.startswith("sv") else english
