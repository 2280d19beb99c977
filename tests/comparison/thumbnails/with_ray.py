from glob import glob

import ray
from PIL import Image


@ray.remote
def thumbnail(path):
    Image.open(path).reduce(8).save(path.replace("photos", "small"))


ray.get([thumbnail.remote(path) for path in glob("photos/*")])
