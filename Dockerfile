# Serves the web app: docker build -t brain-mri . && docker run --rm -p 8000:8000 --read-only --tmpfs /tmp brain-mri
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS packages
# An image that scans archives: docker build --build-arg REQUIREMENTS=requirements/scan.txt -t brain-mri-scan .
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt /
COPY requirements/scan.txt /requirements/
# The environment is made without pip: the base's pip fills it, and nothing in the final image can install packages there.
# Removed: OpenVINO's telemetry, its drivers for other devices and its readers of files but
# the one for the graphs of model/weights, Babel's data of languages that the page does not have, and the packages' own tests.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --require-hashes \
        -r "/${REQUIREMENTS}" \
    && python -m pip --python /opt/venv/bin/python uninstall --yes openvino-telemetry \
    && find /opt/venv/lib -path '*/openvino/libs/*' \( -name '*_intel_[gn]pu_plugin.so' -o -name cache.json \
        -o -name '*_frontend.so.*' ! -name '*_ir_frontend.so.*' \) -delete \
    && find /opt/venv/lib -path '*/babel/locale-data/*' -name '*.dat' ! -name root.dat ! -name 'en*' ! -name 'fr*' -delete \
    && find /opt/venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${BASE_IMAGE} AS application
WORKDIR /app
COPY app.py gunicorn.conf.py ./
COPY model/ model/
COPY web/ web/
COPY templates/ templates/
COPY static/ static/
# What the page's footer links to.
COPY README.md MODEL_CARD.md PRIVACY.md LICENSE ./
COPY docs/use.md docs/
COPY docs/fr/README.md docs/fr/use.md docs/fr/MODEL_CARD.md docs/fr/PRIVACY.md docs/fr/
# The served models' figures, for the API.
COPY training/results/served.json training/results/
# Readable by the service's user whatever the umask of the checkout; owned by root, so that the service cannot alter it.
RUN chmod -R u=rwX,go=rX . && python -m compileall -q --invalidation-mode unchecked-hash .

FROM ${BASE_IMAGE}
RUN groupadd --gid 10001 app \
    && useradd --no-log-init --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app
COPY --from=packages /opt/venv /opt/venv
COPY --from=application /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    KERAS_HOME=/tmp/keras \
    KERAS_BACKEND=openvino \
    BIND=0.0.0.0 \
    PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"PORT\"]}/readyz')"]
CMD ["gunicorn", "app:create_app()"]
