"""A folder of product photos: which comes next, where its pictures go, and what became of each."""
