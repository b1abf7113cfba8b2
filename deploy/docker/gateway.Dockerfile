# The gateway: one static binary and nothing else. Build at the top of the repository:
#
#   docker build -f deploy/docker/gateway.Dockerfile --build-arg VERSION=v1.2.3 -t gatehouse-gateway:v1.2.3 .
#
# The bytes of the program depend on the source, VERSION and the Go release alone (deploy/tests builds it twice and
# compares). GO_IMAGE may name the same release by digest, or in a mirror.
ARG GO_IMAGE=golang:1.26.8-bookworm

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /source
# A Go release of another number is refused, not fetched; a workspace would choose other versions of what is linked.
ENV GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly CGO_ENABLED=0
COPY proto proto
COPY pkg pkg
COPY services/gateway services/gateway
COPY scripts/tools scripts/tools
ARG VERSION=development
ARG TARGETOS
ARG TARGETARCH
RUN GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -C services/gateway -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=${VERSION}" -o /out/gateway ./cmd/gateway
RUN go run -C scripts/tools -buildvcs=false ./sbom -version "${VERSION}" /out/gateway >/out/gateway.cdx.json

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/gateway /gateway
COPY --from=build /out/gateway.cdx.json /usr/share/sbom/gateway.cdx.json
ARG VERSION=development
LABEL org.opencontainers.image.title="gatehouse-gateway" \
      org.opencontainers.image.description="Data plane of Gatehouse: OAuth 2.0 and OpenID Connect endpoints" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/gatehouse-am/gatehouse" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Gatehouse"
USER 65532:65532
EXPOSE 8092 18092
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/gateway", "ready"]
ENTRYPOINT ["/gateway"]
