"""Pure measuring: what a picture lost, gained or kept, and whether it may be sold."""
