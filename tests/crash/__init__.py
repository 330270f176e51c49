"""What may happen to a delivery: one test a case, each with the same oracles.

No planned delivery is lost, none goes where it must not, a receiver has every SOP Instance UID once, and what is urgent
goes first.
"""
