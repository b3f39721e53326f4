"""Stages of the parser: backdrop, figure, superpixels, labels, edges, conclusions."""
