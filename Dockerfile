# One image for all three services and for the one-shot migration; the command chooses.
# Locked packages are installed in the first stage; the second has no installer, no compiler, and no root.
FROM python:3.11-slim AS build
WORKDIR /src
COPY .ci/tools.lock .ci/image.lock .ci/
RUN pip install --no-cache-dir --require-hashes -r .ci/tools.lock \
 && uv venv /opt/tributary \
 && VIRTUAL_ENV=/opt/tributary uv pip sync --no-cache --require-hashes --compile-bytecode .ci/image.lock
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY tributary tributary
COPY examples examples
# The backend comes from tools.lock too, which is why nothing is fetched here.
RUN hatchling build --target wheel --directory /dist \
 && VIRTUAL_ENV=/opt/tributary uv pip install --no-cache --no-deps --compile-bytecode /dist/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home tributary
COPY --from=build /opt/tributary /opt/tributary
ENV PATH=/opt/tributary/bin:$PATH PYTHONUNBUFFERED=1 TRIBUTARY_HOST=0.0.0.0 TRIBUTARY_LOG_FORMAT=json
USER 10001
EXPOSE 8001 8002 8003
CMD ["tributary", "--help"]
