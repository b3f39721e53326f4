"""Owns one GPU and one ComfyUI child; pulls runs from a billing server and metes them out."""
