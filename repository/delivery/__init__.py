"""Deliveries: plan, claim, send. The database is the queue."""
