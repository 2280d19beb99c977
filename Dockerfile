# Image for workers: this package with the drivers of remote storage. Code comes from the snapshot of
# each deployment; add what entry scripts import in an image built FROM this one.
#
#     docker build -t REGISTRY/prefect-parallel .
#     docker run --init REGISTRY/prefect-parallel prefect-parallel --help

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY prefect_parallel ./prefect_parallel
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ARG EXTRAS=azure,delta,gcs,http,s3
COPY --from=wheel /wheels /wheels
# Wheels only, so that nothing is compiled and no setup.py runs.
RUN pip install --no-cache-dir --only-binary=:all: "$(echo /wheels/*.whl)[${EXTRAS}]" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 worker
# A numeric id, so that Kubernetes can verify that it is not root.
USER 1000
WORKDIR /home/worker
# No ENTRYPOINT: Prefect's Docker and Kubernetes workers run `prefect flow-run execute` directly.
CMD ["prefect-parallel", "--help"]
