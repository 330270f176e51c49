"""The kinds of examination the region makes, and what each truly is, whatever a maker calls it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exam:
    """One kind of examination.

    `body_region` and `anatomy_code` (SNOMED CT) are the truth that harmonising must find; `weight` is how
    common the kind is; `subscriber` is the clinic that wants it; `field_of_view_mm` and `depth_mm` are what
    the picture covers.
    """

    kind: str
    modality: str
    body_region: str
    anatomy_code: str
    anatomy_meaning: str
    is_paired: bool
    description: str
    weight: int
    subscriber: str
    field_of_view_mm: float
    depth_mm: float = 0.0


NEUROLOGY, ONCOLOGY, SURGERY = "Neurologkliniken", "Onkologkliniken", "Kirurgkliniken"
ORTHOPAEDICS, MEDICINE, CARDIOLOGY = "Ortopedkliniken", "Medicinkliniken", "Hjärtkliniken"

EXAMS = (
    Exam("ct_head", "CT", "HEAD", "69536005", "Head", False, "DT hjärna", 10, NEUROLOGY, 250.0, 160.0),
    Exam("ct_chest", "CT", "CHEST", "51185008", "Chest", False, "DT thorax", 9, ONCOLOGY, 400.0, 300.0),
    Exam("ct_abdomen", "CT", "ABDOMEN", "818981001", "Abdomen", False, "DT buk", 9, SURGERY, 400.0, 360.0),
    Exam("mr_brain", "MR", "HEAD", "12738006", "Brain", False, "MR hjärna", 8, NEUROLOGY, 240.0, 150.0),
    Exam("mr_knee", "MR", "KNEE", "72696002", "Knee", True, "MR knä", 5, ORTHOPAEDICS, 180.0, 100.0),
    Exam("cr_chest", "CR", "CHEST", "51185008", "Chest", False, "Lungröntgen", 22, MEDICINE, 400.0),
    Exam("dx_chest", "DX", "CHEST", "51185008", "Chest", False, "Lungröntgen", 10, MEDICINE, 400.0),
    Exam("cr_knee", "CR", "KNEE", "72696002", "Knee", True, "Röntgen knä", 9, ORTHOPAEDICS, 250.0),
    Exam("dx_hand", "DX", "HAND", "85562004", "Hand", True, "Röntgen hand", 8, ORTHOPAEDICS, 240.0),
    Exam("us_heart", "US", "HEART", "80891009", "Heart", False, "Ultraljud hjärta", 5, CARDIOLOGY, 160.0),
    Exam("us_abdomen", "US", "ABDOMEN", "818981001", "Abdomen", False, "Ultraljud buk", 5, SURGERY, 160.0),
)
EXAM_OF = {exam.kind: exam for exam in EXAMS}
