# The management service: one static binary, no shell, not root. Build at the top of the repository:
#
#   docker build -f deploy/docker/management.Dockerfile -t gatehouse-management .
FROM golang:1.26 AS build
WORKDIR /source
COPY . .
ARG VERSION=development
ENV GOWORK=off CGO_ENABLED=0
RUN go build -C services/management -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /management ./cmd/management

FROM gcr.io/distroless/static:nonroot
COPY --from=build /management /management
EXPOSE 8093 18094 18093
ENTRYPOINT ["/management"]
