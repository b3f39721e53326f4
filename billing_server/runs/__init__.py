"""Hosted runs: submitted by customers, worked on by workers, charged once."""
