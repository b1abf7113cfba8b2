# The management service: one static binary and nothing else. Build at the top of the repository:
#
#   docker build -f deploy/docker/management.Dockerfile --build-arg VERSION=v1.2.3 -t gatehouse-management:v1.2.3 .
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
COPY services/console services/console
COPY services/management services/management
COPY scripts/tools scripts/tools
ARG VERSION=development
ARG TARGETOS
ARG TARGETARCH
RUN GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -C services/management -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=${VERSION}" -o /out/management ./cmd/management
RUN go run -C scripts/tools -buildvcs=false ./sbom -version "${VERSION}" /out/management >/out/management.cdx.json

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/management /management
COPY --from=build /out/management.cdx.json /usr/share/sbom/management.cdx.json
ARG VERSION=development
LABEL org.opencontainers.image.title="gatehouse-management" \
      org.opencontainers.image.description="Control plane of Gatehouse: configuration, directory, REST and console" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/gatehouse-am/gatehouse" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Gatehouse"
USER 65532:65532
EXPOSE 8093 18094 18093
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/management", "ready"]
ENTRYPOINT ["/management"]
