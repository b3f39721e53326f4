"""Stronger engines for the parser, used where the user has their weights. Nothing is fetched."""
