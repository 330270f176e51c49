"""What codes of anatomic regions mean, in SNOMED CT and in the SNOMED RT of older images.

Codes that are not listed are read by their meaning.

Standard: PS3.16 CID 4, CID 4031, Annex L
"""

ANATOMY_SCHEMES = frozenset({"SCT", "SRT", "SNM3", "99SDM"})
_CODES = {
    "head": "69536005 T-D1100 774007",
    "brain": "12738006 T-A0100",
    "neck": "45048000 T-D1600",
    "face": "89545001 T-D1200 371398005 T-D0801",
    "chest": "51185008 T-D3000 67734004 39607008 T-28000 72410000 T-D3300",
    "heart": "80891009 T-32000",
    "breast": "76752008 T-04000",
    "vessel": "15825003 T-42000 69105007 T-45010 113257007",
    "abdomen": "818981001 113345001 T-D4000 10200004 T-62000 64033007 T-71000",
    "pelvis": "816092008 12921003 T-D6000 89837001 T-74000 41216001 T-92000",
    "spine": "421060004 T-D04FF 1141981001 122494005 T-11501 122495006 T-11502 122496007 T-11503",
    "shoulder": "16982005 T-D2220 85050009 T-12410",
    "elbow": "14975008 T-D8500",
    "wrist": "74670003 T-15460 8205005 T-D8600",
    "hand": "85562004 T-D8700 7569003 T-D8800",
    "hip": "29836001 T-D2500 24136001 T-15710",
    "thigh": "68367000 T-D9100 71341001 T-12710",
    "knee": "72696002 T-D9200 49076000",
    "leg": "30021000 T-D9400",
    "ankle": "70258002 T-15750",
    "foot": "56459004 T-D9700 29707007 T-D9800 80144004 T-12770",
    "body": "38266002 T-D0010",
}
ANATOMY = {code: part for part, codes in _CODES.items() for code in codes.split()}
