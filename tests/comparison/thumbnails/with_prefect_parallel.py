from PIL import Image

from prefect_parallel import parallel


@parallel(mini_batch_size=20)
def thumbnails(paths):
    for path in paths:
        Image.open(path).reduce(8).save(path.replace("photos", "small"))
    return paths


thumbnails("photos")
