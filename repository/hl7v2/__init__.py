"""Reports that come by HL7 v2, with the files they bring."""
