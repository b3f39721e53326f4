"""How cloth follows a body: alignment, bones, meshes, splines, and what stays in front."""
