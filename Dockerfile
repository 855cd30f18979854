# The search in a container.
#
#   docker build -t enas .                        for NVIDIA GPUs
#   docker build -t enas --build-arg EXTRA=cpu .  smaller, CPU only
#
#   mkdir -p outputs
#   docker run --gpus all --user "$(id -u):$(id -g)" \
#     -v "$PWD/data:/enas/data" -v "$PWD/outputs:/enas/outputs" enas \
#     --num_epochs=10
#
# Without --user the program runs as user 1000. A folder that does not exist
# Docker makes as root's.
#
# The base is plain Python, not TensorFlow's GPU image: the wheels of the extra
# and-cuda bring CUDA and cuDNN in the versions TensorFlow was built for, so
# the container and scripts/_setup.sh install the same packages on the same
# Python. The host provides the driver only.

FROM python:3.11-slim

ARG EXTRA=and-cuda

WORKDIR /enas

# Packages first: editing the source does not install them again.
COPY setup.py pyproject.toml constraints.txt ./
COPY src/enas/__init__.py src/enas/
RUN if [ "$EXTRA" = cpu ]; then target=.; else target=".[$EXTRA]"; fi \
    && pip install --no-cache-dir -c constraints.txt -e "$target"

COPY src src
COPY scripts scripts

RUN useradd --uid 1000 enas \
    && mkdir data outputs \
    && chown enas data outputs

# HOME is writable for any --user. The two NVIDIA variables have no effect
# without --gpus.
ENV ENAS_PYTHON=/usr/local/bin/python \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

USER 1000
VOLUME ["/enas/data", "/enas/outputs"]
ENTRYPOINT ["bash", "scripts/cifar10_macro_search.sh"]
