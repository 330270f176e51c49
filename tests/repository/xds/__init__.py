"""The SOAP doors that move bytes."""
