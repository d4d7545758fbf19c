# The image of the action. By hand: docker build -t honeyhive . && docker run --rm honeyhive --help
#
# On main the base goes by its tag. A release asks Docker Hub for its digest, writes that into the next line and builds on
# it, and so takes Debian's and Python's security fixes with it: release.yml.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/honeyhive \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# First what changes seldom: a change of our source installs no dependency anew.
COPY pyproject.toml uv.lock ./
# uv by its version and hashes in uv.lock, as all that it installs.
RUN python -c 'import tomllib; \
        uv, = (package for package in tomllib.load(open("uv.lock", "rb"))["package"] if package["name"] == "uv"); \
        print("uv==" + uv["version"], *("--hash=" + wheel["hash"] for wheel in uv["wheels"]))' >/tmp/uv.txt \
    && python -m pip install --no-cache-dir --root-user-action=ignore --require-hashes --only-binary :all: -r /tmp/uv.txt
RUN uv sync --frozen --no-dev --extra install --no-install-project
COPY README.md LICENSE ./
COPY src src
# The wheel stays: `install` resolves it together with the user's requirements, and finds it by the address that
# installing it from there leaves behind (PEP 610). Its dependencies are in place already, as locked; so is what builds it.
RUN uv export --frozen --quiet --only-group build --no-emit-project --output-file /tmp/build.txt \
    && uv build --wheel --build-constraints /tmp/build.txt --require-hashes --out-dir /opt/honeyhive/wheel \
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
# The user's code runs as this user: a number that no system gives out, no groups, no home, nothing to log in with.
RUN groupadd --gid 60600 honeyhive-experiment \
    && useradd --uid 60600 --gid 60600 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
        --comment "code of experiments" --no-log-init honeyhive-experiment
COPY --from=build /opt/honeyhive /opt/honeyhive
# No USER and no WORKDIR: a runner mounts the workspace as the user that it runs as, which only root is sure to be able
# to write, and sets the working directory itself.
# https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support
#
# -I: neither PYTHONPATH of the job nor a file in the workspace stands in for a module of ours, beside the job's token.
ENTRYPOINT ["/opt/honeyhive/bin/python", "-I", "-m", "honeyhive"]
CMD ["gate"]
