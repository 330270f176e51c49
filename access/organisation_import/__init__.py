"""Taking in an organisation tree from a directory: a CSV file or an mCSD Bundle, compared with the rows, then applied.

Imports models and the access epoch; nothing here knows a patient.
"""
