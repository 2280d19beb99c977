"""What texts of a pipeline hold: expressions and placeholders."""
