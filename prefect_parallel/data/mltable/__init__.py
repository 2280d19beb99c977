"""The MLTable file: its keys, and how it is read and checked.

transformation_schemas <- mltable
"""
