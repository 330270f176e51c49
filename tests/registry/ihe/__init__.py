"""The SOAP doors of the registry."""
