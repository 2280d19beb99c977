"""From what `run` returned to parts, and from parts to the aggregated output."""
