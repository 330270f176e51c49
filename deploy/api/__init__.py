"""The management API, `/api/v1`: what patients decide, who takes part in their care, openings, shares, reviews."""
