# Two images from one build: kv-node (with kvctl) and kv-operator.
#   docker build --target kv-node --tag kv-node:0.1.0 .
#   docker build --target kv-operator --tag kv-operator:0.1.0 .
# Nothing is written outside of /data, so that the root file system may be read-only.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package node --package kvctl --package operator \
    && mkdir /programs \
    && for program in kv-node kvctl kv-operator; do \
         strip --strip-debug -o "/programs/$program" "target/release/$program"; \
       done

FROM gcr.io/distroless/cc-debian12:nonroot AS kv-operator
COPY --from=build /programs/kv-operator /usr/local/bin/
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/kv-operator"]

FROM gcr.io/distroless/cc-debian12:nonroot AS kv-node
COPY --from=build /programs/kv-node /programs/kvctl /usr/local/bin/
USER 65532:65532
EXPOSE 7400 7401 7402
ENTRYPOINT ["/usr/local/bin/kv-node"]
