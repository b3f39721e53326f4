"""Whether a change of model, LoRA, parameter or template is better, for a shop or a slice of it."""
