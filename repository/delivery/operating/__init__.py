"""What people see of distribution and do about it."""
