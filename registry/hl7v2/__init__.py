"""HL7 v2 over MLLP: who sends, what a message says, what it does, and what is answered."""
