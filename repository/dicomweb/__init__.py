"""DICOMweb views: STOW-RS, QIDO-RS, WADO-RS. Plain Django views over store, search and retrieve."""
