import json
from urllib.request import urlopen

from prefect import flow, task


@task(retries=3)
def fetch(url):
    return urlopen(url, timeout=30).read().decode()


@flow
def fetch_all():
    pages = fetch.map(open("urls.txt").read().split()).result()
    json.dump(pages, open("pages.json", "w"))


fetch_all()
