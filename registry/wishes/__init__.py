"""What departments want of which studies: filters and what they match, in plain words, in preview and in hindsight."""
