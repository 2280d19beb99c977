"""From an input to the descriptors of its mini-batches.

split, file_list, spooled_files, by_key <- table_plan, item_plan <- grouping <- plan
"""
