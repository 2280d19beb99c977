"""A node: its pool of entry processes, their logs and resources."""
