from glob import glob

import dask.bag
from PIL import Image


def thumbnail(path):
    Image.open(path).reduce(8).save(path.replace("photos", "small"))


dask.bag.from_sequence(glob("photos/*")).map(thumbnail).compute(scheduler="threads")
