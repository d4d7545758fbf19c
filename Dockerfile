# The image of the action. By hand: docker build -t honeyhive . && docker run --rm honeyhive --help
#
# The base goes by its tag: each release takes Debian's and Python's security fixes with it. Who needs the same bytes
# every time builds with --build-arg BASE=python:3.13-slim@sha256:…, the digest as Docker Hub publishes it.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
# The version in uv.lock; tests/unit/test_surface.py holds the two together.
ARG UV_VERSION=0.13.9
RUN python -m pip install --no-cache-dir --root-user-action=ignore "uv==${UV_VERSION}"
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/honeyhive \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# First what changes seldom: a change of our source installs no dependency anew.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --extra install --no-install-project
COPY README.md LICENSE ./
COPY src src
# The wheel stays: `install` resolves it together with the user's requirements, and finds it by the address that
# installing it from there leaves behind (PEP 610). Its dependencies are in place already, as locked.
RUN uv build --wheel --out-dir /opt/honeyhive/wheel \
    && uv pip install --python /opt/honeyhive --no-deps /opt/honeyhive/wheel/*.whl

FROM ${BASE}
# git describes the commit of a run. Its version is Debian's affair: one that is pinned is gone from the mirrors with the
# next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/cache/apt/* /var/lib/apt/lists/*
# uv's cache is in the job's home, a mount of its own, which no hard link crosses: without this, uv warns every time.
RUN mkdir /etc/uv && echo 'link-mode = "copy"' >/etc/uv/uv.toml
COPY --from=build /opt/honeyhive /opt/honeyhive
# No USER and no WORKDIR: a runner mounts the workspace as the user that it runs as, which only root is sure to be able
# to write, and sets the working directory itself.
# https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support
#
# -I: neither PYTHONPATH of the job nor a file in the workspace stands in for a module of ours, beside the job's token.
ENTRYPOINT ["/opt/honeyhive/bin/python", "-I", "-m", "honeyhive"]
CMD ["gate"]
