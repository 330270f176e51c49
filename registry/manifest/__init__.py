"""The imaging manifest of a study: classic XDS-I.b key object, MADO key object, MADO FHIR document, and back.

Pure functions over `model.StudyContent`; only `reading` asks the database. Data sets leave as bytes and come
in as DICOM JSON, because ten thousand instances are a hundred thousand items.

Standard: IHE RAD TF-3 4.68; IHE RAD MADO (Trial Implementation 2026-03-16)
"""
