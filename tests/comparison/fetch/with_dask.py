import json
from urllib.request import urlopen

from dask.distributed import Client


def fetch(url):
    return urlopen(url, timeout=30).read().decode()


if __name__ == "__main__":
    client = Client(n_workers=2, threads_per_worker=1)
    urls = open("urls.txt").read().split()
    pages = client.gather(client.map(fetch, urls, retries=3))
    json.dump(pages, open("pages.json", "w"))
    client.shutdown()
