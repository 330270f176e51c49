"""The registry's SOAP doors: SOAP 1.2 with MTOM/XOP, ebXML metadata, registration and stored queries."""
