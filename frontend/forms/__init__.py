"""What people fill in: each form says what is missing in words, the registry has the last one."""
