"""Who asks, may they, and the record of it.

The lowest package: knows no patient and no study, imports no other package of the project.
"""
