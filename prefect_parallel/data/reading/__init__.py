"""From a mini-batch to what `run` gets, in the process that needs it.

table_recipe <- table_reader, item_reader <- reader
"""
