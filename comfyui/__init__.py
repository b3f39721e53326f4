"""Gets, starts and drives a real ComfyUI as a child process. Imports nothing of this project."""
