"""The vocabulary of the YAML format: mappings with described, checked keys."""
