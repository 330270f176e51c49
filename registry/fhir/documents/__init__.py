"""Documents in FHIR: DocumentReference and List made of the registry's metadata, and read back into it.

Standard: IHE ITI TF-3 4.5 (MHD), IHE RAD MADO
"""
