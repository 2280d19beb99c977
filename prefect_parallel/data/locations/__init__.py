"""Where data is: local paths, URLs and `azureml:` names, what a folder holds, and local copies.

Each module imports only what is to its left:

    datastores, remote, folder_entries <- location <- listing <- file_cache
"""
