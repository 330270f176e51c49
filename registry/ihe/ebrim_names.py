"""The names of ebRIM: namespaces, schemes of classifications and identifiers, types and statuses.

Standard: IHE ITI TF-3 4.2.5
"""

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"

OBJECT_TYPES = {
    "stable": "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1",
    "on_demand": "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248",
}
SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
FOLDER_NODE = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
DOCUMENTATION = "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3"

ENTRY_AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
ENTRY_CODES = {
    "class_code": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "confidentiality_codes": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "event_codes": "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
    "format_code": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "healthcare_facility_type_code": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practice_setting_code": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "type_code": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
}
ENTRY_IDS = {
    "patient_id": ("urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", "XDSDocumentEntry.patientId"),
    "unique_id": ("urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", "XDSDocumentEntry.uniqueId"),
}
SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
SET_CODES = {"content_type_code": "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"}
SET_IDS = {
    "patient_id": ("urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", "XDSSubmissionSet.patientId"),
    "source_id": ("urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", "XDSSubmissionSet.sourceId"),
    "unique_id": ("urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", "XDSSubmissionSet.uniqueId"),
}
FOLDER_CODES = {"codes": "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5"}
FOLDER_IDS = {
    "patient_id": ("urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a", "XDSFolder.patientId"),
    "unique_id": ("urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a", "XDSFolder.uniqueId"),
}
PLURAL_CODES = ("confidentiality_codes", "event_codes", "codes")

REFERENCE_IDS = "urn:ihe:iti:xds:2013:referenceIdList"
ENTRY_SLOTS = {
    "creationTime": "creation_time",
    "languageCode": "language_code",
    "hash": "hash",
    "size": "size",
    "serviceStartTime": "service_start_time",
    "serviceStopTime": "service_stop_time",
    "sourcePatientId": "source_patient_id",
    "legalAuthenticator": "legal_authenticator",
    "repositoryUniqueId": "repository_unique_id",
    "URI": "uri",
}
ENTRY_LIST_SLOTS = {"sourcePatientInfo": "source_patient_info", REFERENCE_IDS: "references"}
SET_SLOTS = {"submissionTime": "submission_time"}
SET_LIST_SLOTS = {"intendedRecipient": "intended_recipients"}
LAST_UPDATE_TIME = "lastUpdateTime"
SET_STATUS = "SubmissionSetStatus"
AUTHOR_SLOTS = {
    "authorInstitution": "institutions",
    "authorRole": "roles",
    "authorSpecialty": "specialties",
    "authorTelecommunication": "telecommunications",
}

EBXML_ASSOCIATION = "urn:oasis:names:tc:ebxml-regrep:AssociationType:"
ASSOCIATION_TYPES = {
    "HasMember": f"{EBXML_ASSOCIATION}HasMember",
    "IsSnapshotOf": "urn:ihe:iti:2010:AssociationType:IsSnapshotOf",
} | {
    kind: f"urn:ihe:iti:2007:AssociationType:{kind}"
    for kind in ("RPLC", "APND", "XFRM", "XFRM_RPLC", "signs")
}
STATUS = "urn:oasis:names:tc:ebxml-regrep:StatusType:"
STATUSES = {"approved": f"{STATUS}Approved", "deprecated": f"{STATUS}Deprecated"}
REGISTRY_OBJECT = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
