"""From a YAML file to a `PipelineJob`, or to all of its problems."""
