import json
from urllib.request import urlopen

import ray


@ray.remote(max_retries=3, retry_exceptions=True)
def fetch(url):
    return urlopen(url, timeout=30).read().decode()


urls = open("urls.txt").read().split()
pages = ray.get([fetch.remote(url) for url in urls])
json.dump(pages, open("pages.json", "w"))
