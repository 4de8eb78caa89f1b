# One static binary in an otherwise empty image, 11 MB in all.
#
#   docker build -t pasarela .
#   docker run --read-only -p 8080:8080 -v "$PWD/pasarela.yaml:/etc/pasarela/pasarela.yaml:ro" \
#       -v pasarela-data:/data pasarela
#
# Alpine's Rust links musl statically, so the result needs no system around it. It runs as nobody,
# writes to /data only, and its console answers inside the container; publish 8081 and set
# `listen: { console: 0.0.0.0:8081 }` only where the console may be reached.

FROM rust:1.95-alpine AS build
# A C compiler and cmake are for aws-lc, the cryptography behind TLS.
RUN apk add --no-cache build-base cmake linux-headers perl
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/build/target --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --locked --profile dist --package pasarela \
    && mkdir -p /image/usr/bin /image/etc/pasarela /image/etc/ssl/certs /image/data \
    && strip -o /image/usr/bin/pasarela target/dist/pasarela \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65534:65534 /image/data /data
USER 65534:65534
VOLUME /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Asks the console at port 8081: leave it there and publish it as another, `-p 9000:8081`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/pasarela", "health"]
ENTRYPOINT ["/usr/bin/pasarela"]
CMD ["serve", "--config", "/etc/pasarela/pasarela.yaml", "--data", "/data"]
