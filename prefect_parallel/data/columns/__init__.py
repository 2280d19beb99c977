"""Rows of a table in memory: columns, their types, and what text converts to.

datetimes, row_batch <- datetime_formats <- date_inference <- kinds <- table_schema, texts
"""
