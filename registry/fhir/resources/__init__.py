"""One module for each resource: its row of the table, its searches, its form."""
