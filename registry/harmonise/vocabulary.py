"""The words that are known everywhere: parts of the body and their regions, modality families, laterality.

Words are folded: lower case, without accents. A stem stands for itself and for itself with a known ending, so that
`buk` reads `buköversikt` but `hand` does not read `handläggning`.

Standard: PS3.16 Annex L (Body Part Examined); IHE RAD MADO (the ten regions)
"""

VOCABULARY_VERSION = 2

LOWER_TRUNK, ENTIRE_BODY, UPPER_LIMB, LOWER_LIMB = "63337009", "38266002", "53120007", "61685007"
UPPER_TRUNK, HEAD_AND_NECK, CARDIOVASCULAR = "67734004", "774007", "113257007"
HEART, BREAST, VERTEBRAL_COLUMN = "80891009", "76752008", "1141981001"

REGION_NAMES = {
    HEAD_AND_NECK: ("Huvud och hals", "Head and neck"),
    UPPER_TRUNK: ("Bröstkorg", "Upper trunk"),
    HEART: ("Hjärta", "Heart"),
    BREAST: ("Bröst", "Breast"),
    CARDIOVASCULAR: ("Kärl", "Cardiovascular system"),
    LOWER_TRUNK: ("Buk och bäcken", "Lower trunk"),
    VERTEBRAL_COLUMN: ("Rygg", "Vertebral column"),
    UPPER_LIMB: ("Arm och hand", "Upper limb"),
    LOWER_LIMB: ("Ben och fot", "Lower limb"),
    ENTIRE_BODY: ("Helkropp", "Entire body"),
}

FAMILIES = {
    "PT": "PT", "NM": "NM", "MG": "MG", "CT": "CT", "MR": "MR", "US": "US", "IVUS": "US", "XA": "FL", "RF": "FL",
    "CR": "XR", "DX": "XR", "RG": "XR", "IO": "XR", "PX": "XR",
}  # fmt: skip
"""By rank: a study of PT and CT is a PT study."""

_PARTS = {
    "head": (HEAD_AND_NECK, "head huvud skalle skull cranium kranium caput"),
    "brain": (HEAD_AND_NECK, "brain hjarna hjarnan cerebrum hypofys hypophysis pituitary"),
    "neck": (HEAD_AND_NECK, "neck hals thyroid thyreoidea tyreoidea skoldkortel larynx struphuvud pharynx"),
    "face": (
        HEAD_AND_NECK,
        (
            "face ansikte sinus sinuses bihalor orbit orbita orbitae eye oga ogon ear ora temporalben mandible"
            " underkake maxilla overkake jaw kake tander teeth nose nasa"
        ),
    ),
    "chest": (
        UPPER_TRUNK,
        (
            "chest thorax lung lunga lungor lungs pulm pulmo pulmones brostkorg mediastinum rib ribs revben"
            " sternum brostben clavicle nyckelben pleura"
        ),
    ),
    "heart": (HEART, "heart hjarta cor cardiac cardium eko hjarteko ekokardiografi echocardiography tte tee"),
    "breast": (BREAST, "breast brost mamma mammae mammografi mammography"),
    "vessel": (
        CARDIOVASCULAR,
        "aorta carotis carotid karotis artery arteries karl arteria vein veins vena angiografi angiography",
    ),
    "abdomen": (
        LOWER_TRUNK,
        (
            "abdomen abdominal abd buk buken liver lever kidney kidneys njure njurar pancreas pankreas spleen"
            " mjalte gallvagar gallblasa gallbladder urinvagar urografi colon kolon tarm tunntarm ventrikel"
        ),
    ),
    "pelvis": (LOWER_TRUNK, "pelvis backen bladder urinblasa prostate prostata uterus ovary rectum rektum"),
    "spine": (
        VERTEBRAL_COLUMN,
        (
            "spine rygg ryggrad kotpelare columna kolumna cspine tspine lspine halsrygg brostrygg landrygg"
            " sacrum sakrum coccyx lumbalrygg cervikalrygg"
        ),
    ),
    "shoulder": (UPPER_LIMB, "shoulder axel axeln scapula skulderblad humerus overarm"),
    "elbow": (UPPER_LIMB, "elbow armbage armbagsled forearm underarm radius ulna"),
    "wrist": (UPPER_LIMB, "wrist handled handleden"),
    "hand": (UPPER_LIMB, "hand handen hander hands manus finger fingrar thumb tumme"),
    "hip": (LOWER_LIMB, "hip hips hoft hoften hofter coxa"),
    "thigh": (LOWER_LIMB, "thigh lar laret femur larben"),
    "knee": (LOWER_LIMB, "knee knees kna knat knan genu patella"),
    "leg": (LOWER_LIMB, "leg underben tibia fibula"),
    "ankle": (LOWER_LIMB, "ankle fotled vrist"),
    "foot": (LOWER_LIMB, "foot feet fot foten fotter calcaneus calcn hal toe toes"),
    "body": (ENTIRE_BODY, "helkropp wholebody"),
}
PART_REGIONS = {part: region for part, (region, _) in _PARTS.items()}
PART_OF_WORD = {word: part for part, (_, words) in _PARTS.items() for word in words.split()}
ENDINGS = ("rontgen", "oversikt", "led", "leden", "skelett", "ultraljud", "ct", "dt", "mr", "mrt", "parenkym")
PHRASES = {
    "hjarta och lungor": ("chest",),
    "heart and lungs": ("chest",),
    "hela ryggen": ("spine",),
    "hela kroppen": ("body",),
    "whole body": ("body",),
    "head and neck": ("head", "neck"),
    "cor pulm": ("chest",),
    "upper arm": ("shoulder",),
    "lower leg": ("leg",),
}

BODY_PARTS = {
    "ABDOMEN": ("abdomen",), "ABDOMENPELVIS": ("abdomen", "pelvis"), "ANKLE": ("ankle",), "AORTA": ("vessel",),
    "ARM": ("shoulder",), "BLADDER": ("pelvis",), "BRAIN": ("brain",), "BREAST": ("breast",),
    "CALCANEUS": ("foot",), "CAROTID": ("vessel",), "CHEST": ("chest",),
    "CHESTABDOMEN": ("chest", "abdomen"), "CHESTABDPELVIS": ("chest", "abdomen", "pelvis"),
    "CLAVICLE": ("chest",), "COCCYX": ("spine",), "CSPINE": ("spine",), "CTSPINE": ("spine",),
    "ELBOW": ("elbow",), "FACE": ("face",), "FINGER": ("hand",), "FOOT": ("foot",), "FOREARM": ("elbow",),
    "HAND": ("hand",), "HEAD": ("head",), "HEADNECK": ("head", "neck"), "HEART": ("heart",), "HIP": ("hip",),
    "HUMERUS": ("shoulder",), "JAW": ("face",), "KIDNEY": ("abdomen",), "KNEE": ("knee",), "LEG": ("leg",),
    "LIVER": ("abdomen",), "LSPINE": ("spine",), "LSSPINE": ("spine",), "LUNG": ("chest",),
    "MEDIASTINUM": ("chest",), "NECK": ("neck",), "NECKCHEST": ("neck", "chest"), "ORBIT": ("face",),
    "PANCREAS": ("abdomen",), "PELVIS": ("pelvis",), "PROSTATE": ("pelvis",), "RIB": ("chest",),
    "SCAPULA": ("shoulder",), "SHOULDER": ("shoulder",), "SINUS": ("face",), "SKULL": ("head",),
    "SPINE": ("spine",), "SSPINE": ("spine",), "STERNUM": ("chest",), "THIGH": ("thigh",), "THUMB": ("hand",),
    "THYROID": ("neck",), "TLSPINE": ("spine",), "TOE": ("foot",), "TSPINE": ("spine",),
    "UTERUS": ("pelvis",), "WHOLEBODY": ("body",), "WRIST": ("wrist",), "ZYGOMA": ("face",),
}  # fmt: skip

RIGHT = frozenset({"hoger", "ho", "right", "rt", "dexter", "dext"})
LEFT = frozenset({"vanster", "va", "left", "lt", "sinister", "sin"})
BOTH = frozenset({"bilat", "bilateral", "bilateralt", "bilaterala", "bada", "both"})
