"""What the patient decides: consents, blocks, and the lifts of blocks. Rows are added and ended, never edited."""
