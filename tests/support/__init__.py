"""What tests stand on: small DICOM files, and real peers (PostgreSQL, Redis, Orthanc, our own server) started and stopped by pid."""
