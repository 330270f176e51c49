"""One vocabulary for what every source calls by its own words: decide, keep, queue what is unknown, map it."""
