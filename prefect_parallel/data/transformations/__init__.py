"""What the transformations of an MLTable file do to rows, and to the list of its files.

filter_values, counting, partition_format, convert <- filter <- transforms <- path_columns
"""
