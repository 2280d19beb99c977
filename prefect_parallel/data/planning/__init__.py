"""From an input to the descriptors of its mini-batches.

split, file_list, spooled_files, by_key <- table_plan <- grouping <- plan
"""
