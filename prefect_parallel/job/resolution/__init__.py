"""From a `PipelineJob` to the steps that run."""
