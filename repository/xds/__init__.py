"""XDS and XDS-I doors that move bytes: provide and register, retrieve documents, retrieve imaging documents."""
