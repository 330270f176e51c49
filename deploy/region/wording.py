"""What clinicians ask and radiologists answer, in Swedish, for each kind of examination."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """Sentences for one kind of examination; `{mm}` in the finding is the measured length."""

    question: str
    normal: str
    normal_impression: str
    finding: str
    finding_impression: str


_CHEST_FILM = Wording(
    "Hosta och feber i en vecka. Pneumoni?",
    "Hjärtat är normalstort. Lungorna är väl luftförande utan infiltrat. Ingen pleuravätska.",
    "Normalt lungfynd.",
    "I vänster lunga ses en rundad förtätning på cirka {mm} mm. Hjärtat är normalstort. Ingen pleuravätska.",
    "Rundad förtätning i vänster lunga, {mm} mm. DT thorax rekommenderas.",
)
WORDINGS = {
    "ct_head": Wording(
        "Huvudvärk sedan tre veckor. Expansivitet? Blödning?",
        "Ingen blödning eller färsk infarkt. Normalvida likvorrum. Ingen förskjutning av medellinjen.",
        "Normal datortomografi av hjärnan.",
        "Högattenuerande välavgränsad förändring, längsta mått {mm} mm. Normalvida likvorrum.",
        "Fokal förändring intrakraniellt, {mm} mm. MR för vidare karakterisering.",
    ),
    "ct_chest": Wording(
        "Känd förändring i lungan, kontroll. Tillväxt?",
        "Lungparenkymet är utan fokala förändringar. Inga förstorade lymfkörtlar. Ingen pleuravätska.",
        "Inga hållpunkter för malignitet.",
        "Solid nodulus i lungan med längsta mått {mm} mm. Inga förstorade lymfkörtlar.",
        "Solid nodulus, {mm} mm. Fortsatt kontroll enligt vårdprogram.",
    ),
    "ct_abdomen": Wording(
        "Buksmärta och avmagring. Tumör? Avflödeshinder?",
        "Lever, mjälte, pankreas och njurar är utan anmärkning. Ingen fri vätska. Normalvida tarmar.",
        "Inga patologiska fynd i buken.",
        "I levern ses en lågattenuerande förändring, längsta mått {mm} mm. Övriga organ utan anmärkning.",
        "Fokal leverförändring, {mm} mm. Tas upp på konferens.",
    ),
    "mr_brain": Wording(
        "Yrsel och dubbelseende. Demyelinisering? Expansivitet?",
        "Normal signal i grå och vit substans. Normalvida likvorrum.",
        "Normal magnetkameraundersökning av hjärnan.",
        "T2-hyperintens välavgränsad förändring, längsta mått {mm} mm, utan omgivande ödem.",
        "Fokal förändring, {mm} mm. Kontroll om tre månader.",
    ),
    "mr_knee": Wording(
        "Vridvåld mot knäet. Meniskskada? Korsbandsskada?",
        "Menisker, korsband och sidoligament är intakta. Ingen ökad ledvätska.",
        "Normalt knä.",
        "Välavgränsad vätskesignalerande förändring i distala femur, {mm} mm. Ligamenten är intakta.",
        "Benförändring i distala femur, {mm} mm, sannolikt godartad.",
    ),
    "cr_chest": _CHEST_FILM,
    "dx_chest": _CHEST_FILM,
    "cr_knee": Wording(
        "Belastningssmärta. Artros?",
        "Normal ledspringa medialt och lateralt. Inga skelettskador.",
        "Ingen artros, ingen fraktur.",
        "Uppklarning i proximala tibia på cirka {mm} mm med skleros omkring.",
        "Uppklarning i proximala tibia, {mm} mm. MR rekommenderas.",
    ),
    "dx_hand": Wording(
        "Fall mot utsträckt hand. Fraktur?",
        "Inga frakturer. Normala ledytor i handled och fingrar.",
        "Ingen skelettskada.",
        "Tvärgående frakturlinje i tredje metakarpalbenet, cirka {mm} mm lång, utan felställning.",
        "Odislocerad metakarpalfraktur.",
    ),
    "us_heart": Wording(
        "Andfåddhet vid ansträngning. Vänsterkammarfunktion?",
        "Normal storlek på kamrar och förmak. God systolisk funktion. Inga signifikanta klaffel.",
        "Normal vänsterkammarfunktion.",
        "Normal storlek på kamrar och förmak. Lätt läckage i mitralisklaffen.",
        "God vänsterkammarfunktion. Lätt mitralisinsufficiens.",
    ),
    "us_abdomen": Wording(
        "Smärta under höger arcus. Gallsten?",
        "Gallblåsan är stenfri. Smala gallvägar. Lever och njurar utan anmärkning.",
        "Normalt ultraljud av buken.",
        "I gallblåsan ses ett rörligt konkrement. Smala gallvägar. Lever och njurar utan anmärkning.",
        "Gallsten utan tecken till inflammation.",
    ),
}
GROWTH, NO_PRIOR = (
    "Tillväxt jämfört med föregående undersökning.",
    "Ingen äldre undersökning att jämföra med.",
)
ADDENDUM = "Tillägg: bilderna är eftergranskade på rond, bedömningen kvarstår."
