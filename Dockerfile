# The HTTP service: no GPU, no PyTorch, no root, and nothing is written while it runs.
#
#   docker build -t complaint-nlp .
#   docker run --rm --init --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 complaint-nlp

FROM python:3.12-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
COPY models/default models/default
RUN python -m venv --without-pip /app \
 && pip --python /app/bin/python install -c constraints.txt '.[serve]' \
 && /app/bin/python -m compileall -q /app/lib

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin complaints
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    COMPLAINT_NLP_HOST=0.0.0.0 \
    COMPLAINT_NLP_PORT=8000
USER 10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['COMPLAINT_NLP_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["complaint-nlp"]
CMD ["serve"]
