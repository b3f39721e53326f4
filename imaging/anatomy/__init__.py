"""The body as numbers: proportions, a figure with twelve parameters, outlines of its parts."""
