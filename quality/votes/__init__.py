"""Votes of people on blinded pairs of pictures: which pairs, what was said, what it means."""
