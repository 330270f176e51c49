"""Doors for systems that speak DIMSE: the same store, search and retrieve as DICOMweb. Imports pynetdicom."""
