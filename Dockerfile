# One image for the API, the feed, the worker and the migration; docker-compose.yml says which runs.
# By digest in production: deploy/images.sh
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS wheels
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt

FROM ${PYTHON_IMAGE}
# A volume that is mounted there belongs to the user.
RUN useradd --system --uid 10001 --no-create-home betcore && install --directory --owner betcore /events
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=wheels /venv /venv
COPY api api
COPY workflows workflows
COPY activities activities
COPY betcore betcore
COPY worker.py .
USER betcore
EXPOSE 8080
CMD ["python", "-m", "uvicorn", "api.main:create_app", "--factory", \
     "--http", "api.http_protocol:BoundedHttp", "--host", "0.0.0.0", "--port", "8080", \
     "--no-access-log", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "8"]
