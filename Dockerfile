# syntax=docker/dockerfile:1
# vitrine in a container: built on Debian 12, run on Debian 12 with nothing but what runs.
#
#   docker build -t vitrine .
#   docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges -p 6432:6432 \
#       -v /etc/vitrine:/etc/vitrine:ro -v vitrine-log:/var/log/vitrine vitrine
#
# The configuration, certificates and keys are mounted, never part of the image; they must be
# readable by user 64320.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        g++ cmake ninja-build mold pkg-config \
        libboost1.81-dev libboost-json1.81-dev libyaml-cpp-dev libspdlog-dev libfmt-dev \
        libcli11-dev libssl-dev libpg-query-dev libidn-dev libpq-dev postgresql-server-dev-15 \
        libsqlite3-dev libre2-dev libzstd-dev libxxhash-dev librdkafka-dev \
        libgoogle-perftools-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY config config
COPY auth auth
COPY parser parser
COPY proxy proxy
RUN cmake --preset release -DBUILD_TESTING=OFF \
    && cmake --build build/release --target vitrine \
    && strip build/release/vitrine

FROM debian:bookworm-slim
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libboost-json1.81.0 libfmt9 libidn12 libpg-query1504.0 libpq5 librdkafka1 libre2-9 libspdlog1.10 libsqlite3-0 libssl3 libtcmalloc-minimal4 libxxhash0 libzstd1 \
        libstdc++6 libyaml-cpp0.7 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 64320 --user-group --no-create-home --shell /usr/sbin/nologin vitrine \
    && install -d -o vitrine -g vitrine -m 0700 /var/log/vitrine
COPY --from=build /src/build/release/vitrine /usr/bin/vitrine
USER 64320:64320
WORKDIR /etc/vitrine
VOLUME /var/log/vitrine
EXPOSE 6432
# SIGTERM drains: what runs may end.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/vitrine"]
CMD ["serve", "--config", "/etc/vitrine/vitrine.yaml"]
