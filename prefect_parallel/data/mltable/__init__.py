"""The MLTable file: what may stand in it, and how it is read and checked.

transformation_schemas <- mltable
"""
