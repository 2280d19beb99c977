"""Settings of a parallel step, each declared once."""
