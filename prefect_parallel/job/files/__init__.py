"""What paths of a pipeline lead to: data, code and conda files."""
