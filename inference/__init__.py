"""Try-on engines behind one interface. Knows no ComfyUI; heavy imports stay in the engines."""
