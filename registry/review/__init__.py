"""The systematic review of a unit's access log: samples drawn by rule, findings, a signature, what is late."""
