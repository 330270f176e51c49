"""The access log for others: DICOM audit messages over syslog, FHIR AuditEvent, and the patient's extract."""
