"""From the change feed to deliveries: what goes where, and what follows when it has arrived."""
