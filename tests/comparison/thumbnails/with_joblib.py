from glob import glob

from joblib import Parallel, delayed
from PIL import Image


def thumbnail(path):
    Image.open(path).reduce(8).save(path.replace("photos", "small"))


Parallel(n_jobs=2)(delayed(thumbnail)(path) for path in glob("photos/*"))
