# What a worker's container needs: this package, with the drivers of remote storage. Code comes as
# each deployment's snapshot; what entry scripts import is added in an image built FROM this one.
#
#     docker build -t REGISTRY/prefect-parallel .
#     docker run --init REGISTRY/prefect-parallel prefect-parallel --help

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY prefect_parallel ./prefect_parallel
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ARG EXTRAS=azure,delta,gcs,http,report,s3
COPY --from=wheel /wheels /wheels
# Wheels only: nothing is compiled, and no package's setup.py runs.
RUN pip install --no-cache-dir --only-binary=:all: "$(echo /wheels/*.whl)[${EXTRAS}]" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 worker
# By number, so that Kubernetes can tell that it is not root.
USER 1000
WORKDIR /home/worker
# No ENTRYPOINT: Prefect's Docker and Kubernetes workers start `prefect flow-run execute` as it is.
CMD ["prefect-parallel", "--help"]
