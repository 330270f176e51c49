"""Formats that several doors speak: multipart, media types, DICOM JSON, addresses. Imports nothing of the project."""
