import json
from urllib.request import urlopen

from joblib import Parallel, delayed


def fetch(url, attempts=4):
    try:
        return urlopen(url, timeout=30).read().decode()
    except OSError:
        if attempts == 1:
            raise
        return fetch(url, attempts - 1)


urls = open("urls.txt").read().split()
pages = Parallel(n_jobs=2)(delayed(fetch)(url) for url in urls)
json.dump(pages, open("pages.json", "w"))
