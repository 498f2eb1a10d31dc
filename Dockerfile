FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/commonroom && /opt/commonroom/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY commonroom ./commonroom
RUN /opt/commonroom/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --system --uid 1000 --create-home commonroom && install -d -o commonroom -m 0700 /data
COPY --from=build /opt/commonroom /opt/commonroom
USER commonroom
ENV COMMONROOM_HOST=0.0.0.0 COMMONROOM_DATA=/data PATH=/opt/commonroom/bin:$PATH
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["commonroom", "serve"]
