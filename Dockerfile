# syntax=docker/dockerfile:1
# Name the base image by digest where builds must be repeatable: --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/keeper
WORKDIR /src
COPY requirements.lock ./
RUN /opt/keeper/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY contracts_abi ./contracts_abi
COPY config ./config
COPY keeper ./keeper
# The build tool comes from the lock, so nothing is fetched that has no hash.
RUN /opt/keeper/bin/pip install --no-deps --no-build-isolation . \
    && /opt/keeper/bin/python -m compileall -q /opt/keeper/lib

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 keeper \
    && useradd --uid 10001 --gid keeper --no-create-home --home-dir /var/lib/keeper --shell /usr/sbin/nologin keeper \
    && install --directory --owner keeper --group keeper --mode 0700 /var/lib/keeper
COPY --from=build /opt/keeper /opt/keeper
# The journal's volume is the only place that is written: run with --read-only, --cap-drop ALL and --tmpfs /tmp.
ENV PATH=/opt/keeper/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    KEEPER__RUN__STATE_DIR=/var/lib/keeper
WORKDIR /var/lib/keeper
VOLUME ["/var/lib/keeper"]
USER 10001:10001
# SIGTERM lets the cycle in hand end: give it longer than a cycle may take, docker stop --time 120.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=20s --start-period=180s --retries=3 CMD ["keeper", "health"]
ENTRYPOINT ["keeper"]
CMD ["run"]
