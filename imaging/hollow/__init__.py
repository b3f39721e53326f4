"""Stages of the ghost mannequin: openings, back edge, cloth, light, second photo."""
