"""DICOMweb from outside: what PS3.18 says, asked of a running server with nothing but HTTP.

The checks know no code of ours: requests are written byte by byte, answers are read by a strict reader of their own.
"""
