# Two stages: dependencies are built apart from the sources, so that a change of code reuses them.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/rondo/venv
ENV PATH=/opt/rondo/venv/bin:$PATH
WORKDIR /opt/rondo/source
COPY requirements.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md ./
COPY routing routing
COPY staffing staffing
COPY app app
COPY alembic alembic
# Editable, as in development: migrations are found beside the packages.
RUN pip install --no-deps --no-build-isolation -e . && python -m compileall -q app routing staffing

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/rondo --create-home rondo
COPY --from=build /opt/rondo /opt/rondo
ENV PATH=/opt/rondo/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /var/lib/rondo
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["rondo", "serve", "--host", "0.0.0.0", "--port", "8000"]
