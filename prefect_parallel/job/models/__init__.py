"""Pipelines, steps and components as they are written."""
