"""What is sent: stored files as the receiver wants them, files made here, messages."""
