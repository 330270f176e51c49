"""A synthetic radiology region: ten hospitals, their people and patients, and the studies they had.

Pure modules over pydicom and numpy: `plan` decides what exists, `build` makes the DICOM files, `answers` says
what a server that received them must answer. Same `RegionSize`, same bytes. Nobody in it exists. May import
nothing of ours.
"""
