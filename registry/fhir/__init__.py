"""FHIR R4 (4.0.1): the edge, the formats, searches and the resources of the registry."""
