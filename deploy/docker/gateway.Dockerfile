# The gateway: one static binary, no shell, not root. Build at the top of the repository:
#
#   docker build -f deploy/docker/gateway.Dockerfile -t gatehouse-gateway .
FROM golang:1.26 AS build
WORKDIR /source
COPY . .
ARG VERSION=development
ENV GOWORK=off CGO_ENABLED=0
RUN go build -C services/gateway -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /gateway ./cmd/gateway

FROM gcr.io/distroless/static:nonroot
COPY --from=build /gateway /gateway
EXPOSE 8092 18092
ENTRYPOINT ["/gateway"]
