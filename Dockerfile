# The controller on Debian 12: only what it needs to run, as a user without
# rights.  No HEALTHCHECK: Kubernetes has probes.
#
#   docker build -t partition-controller:0.1.0 .
#   docker build --target test .                 # the unit tests, in the build's surroundings
#
# Nothing in it tells when it was made, but the times of files: SOURCE_DATE_EPOCH
# with BuildKit's rewrite-timestamp, or buildah's --timestamp, set those.
ARG BASE=debian:bookworm-slim

FROM $BASE AS build
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates cmake g++ make ninja-build pkg-config \
      libabsl-dev libcivetweb-dev libcli11-dev libcpprest-dev libpq-dev libpqxx-dev libssl-dev libyaml-cpp-dev \
      nlohmann-json3-dev prometheus-cpp-dev tzdata && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPC_BUILD_TESTS=OFF \
      -DCMAKE_CXX_FLAGS=-ffile-prefix-map=/src=. && \
    cmake --build /build && \
    strip --strip-debug -o /partition-controller /build/partition-controller

FROM build AS test
RUN apt-get update && \
    apt-get install -y --no-install-recommends libbenchmark-dev libgmock-dev libgtest-dev postgresql-15 && \
    rm -rf /var/lib/apt/lists/*
RUN cmake -S . -B /build -DPC_BUILD_TESTS=ON && \
    cmake --build /build --target crd_tests reconcilers_tests controller_tests && \
    /build/tests/crd_tests && /build/tests/reconcilers_tests && /build/tests/controller_tests

FROM $BASE
# tzdata: the names of time zones.  ca-certificates: for sslrootcert=system and
# the like; an API server's is in the pod.
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates libabsl20220623 libcivetweb1 libcpprest2.10 libpq5 \
      libpqxx-6.4 libprometheus-cpp-core1.0 libssl3 libyaml-cpp0.7 tzdata && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/cache/debconf/* \
      /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
COPY --from=build /partition-controller /usr/local/bin/partition-controller
COPY manifests/examples /usr/local/share/partition-controller/examples
COPY LICENSE /usr/local/share/partition-controller/
LABEL org.opencontainers.image.title="partition-controller" \
      org.opencontainers.image.description="Keeps time-partitioned PostgreSQL tables as their policy declares" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/partition-controller"]
CMD ["run", "--kubernetes"]
