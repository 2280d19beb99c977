from glob import glob

from PIL import Image
from prefect import flow, task


@task
def thumbnail(path):
    Image.open(path).reduce(8).save(path.replace("photos", "small"))


@flow
def thumbnails():
    thumbnail.map(glob("photos/*")).result()


thumbnails()
