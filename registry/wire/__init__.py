"""Formats that several doors speak: multipart, media types, DICOM JSON. Imports nothing of the project."""
