"""The namespaces of SOAP and what lies around it."""

SOAP = "http://www.w3.org/2003/05/soap-envelope"
SOAP_1_1 = "http://schemas.xmlsoap.org/soap/envelope/"
WSA = "http://www.w3.org/2005/08/addressing"
XOP = "http://www.w3.org/2004/08/xop/include"
XML = "http://www.w3.org/XML/1998/namespace"

ANONYMOUS = f"{WSA}/anonymous"
ULTIMATE_RECEIVER = f"{SOAP}/role/ultimateReceiver"
NEXT = f"{SOAP}/role/next"
