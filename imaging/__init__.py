"""Pure pixels: one picture in, one picture out, on numpy arrays. No torch, no ComfyUI."""
