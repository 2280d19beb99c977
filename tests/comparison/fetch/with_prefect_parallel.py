import json
from urllib.request import urlopen

from prefect_parallel import parallel


@parallel(mini_batch_size=10, timeout=30, max_retries=3)
def fetch(urls):
    return [urlopen(url).read().decode() for url in urls]


pages = list(fetch(open("urls.txt").read().split()))
json.dump(pages, open("pages.json", "w"))
