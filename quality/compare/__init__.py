"""Whether a change of model, LoRA, parameter or template is better, for the whole shop or a slice."""
