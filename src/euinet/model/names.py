"""The names of a model's files: known without reading one, and without torch."""

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
