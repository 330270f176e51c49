"""Importing files through STOW-RS: find them, send them in batches, tell what became of each.

`sources` finds files in folders, zip archives and DICOMDIR trees; `stow_client` speaks the protocol; `batches`
makes requests of files and sorts the answers; `outcomes` is the list that an import leaves behind and resumes from.
Used by `import_dicom` and by `demo`; works against any STOW-RS server.
"""
