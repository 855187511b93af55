# syntax=docker/dockerfile:1
# One image for all parts; the command chooses the part:
#   web (default)   collectstatic, then python -m flueman.web
#   models          python manage.py run_model_host
#   worker          python manage.py run_jobs
#   before each     python manage.py migrate --no-input   (once, before the rollout)
# The web and models parts of one machine share FLUEMAN_HOME as a volume: they talk over sockets in it.

ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
# The CPU build of torch; https://download.pytorch.org/whl/cu128 and its like for a GPU machine.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
WORKDIR /src
COPY requirements.txt requirements-production.txt constraints.txt ./
RUN pip install --no-deps --index-url "$TORCH_INDEX_URL" "$(grep -o '^torch==[^ ]*' requirements.txt)" \
    && pip install --constraint constraints.txt -r requirements-production.txt

FROM python:${PYTHON_VERSION}-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmariadb3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /home/flueman flueman \
    && install -d -o flueman -g flueman -m 0700 /data
COPY --from=build /venv /venv
COPY --chown=root:root . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=flueman.settings ENVIRONMENT=PROD HOST=0.0.0.0 PORT=8000 FLUEMAN_HOME=/data
USER flueman
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "flueman.alive"]
ENTRYPOINT ["tini", "--"]
# Static files are collected at each start: /data may be a volume that an older image has filled.
CMD ["sh", "-c", "python manage.py collectstatic --no-input --verbosity 0 '--ignore=*.map' --ignore=rest_framework && exec python -m flueman.web"]
