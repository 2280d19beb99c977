"""From an input to the descriptors of its mini-batches.

split, file_list, by_key <- table_plan <- grouping <- plan
"""
