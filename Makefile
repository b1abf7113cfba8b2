# Every task a developer or continuous integration runs. `make` or `make help` lists them.
#
# Each module is built as it is released: alone (GOWORK=off). C is off too, so that everything is compiled once and
# shared; only the race detector, which needs it, turns it on.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

export GOWORK      := off
export CGO_ENABLED := 0
# A checkout that belongs to somebody else has no readable history, and needs none to be built.
export GOFLAGS     := -buildvcs=false $(GOFLAGS)

BIN     := $(CURDIR)/.cache/bin
MODULES := $(shell scripts/modules.sh)

# The linter's makers ask that it be built with its own versions of everything, hence no module of ours around it.
GOLANGCI_VERSION := v2.15.0
export GOLANGCI  := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)

##@ Everyday

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## Run everything on this machine: management 8093, gateway 8092 (ARGS="--help" lists the flags)
	@go build -C services/gatehouse -o $(CURDIR)/bin/gatehouse ./cmd/gatehouse
	@exec bin/gatehouse $(ARGS)

.PHONY: test
test: ## Run every test, installing what is missing (RACE=1: race detector; MODULES="./pkg": only these)
	@scripts/ensure.sh redis-server slapd chromium node npm $(if $(RACE),gcc)
	@MODULES="$(MODULES)" scripts/with-backing.sh scripts/test.sh

.PHONY: test-quick
test-quick: ## Run the tests that need no server and no browser
	@MODULES="./scripts/tools ./proto ./pkg ./services/console" scripts/test.sh

.PHONY: fuzz
fuzz: ## Fuzz everything that reads from outside for a minute in all (FUZZ_SECONDS=3600: for an hour; FUZZ=JWT: only these)
	@scripts/ensure.sh redis-server
	@scripts/with-backing.sh scripts/fuzz.sh

.PHONY: build
build: ## Compile every package of every module
	@for m in $(MODULES); do echo "build $$m"; go build -C "$$m" -o /dev/null ./...; done

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the Go code
	@for m in $(MODULES); do (cd "$$m" && $(GOLANGCI) fmt --config "$(CURDIR)/.golangci.yaml"); done

##@ Checks

.PHONY: lint
lint: $(GOLANGCI) $(BIN)/buf ## Check the style of Go, contracts and scripts
	@scripts/lint.sh

.PHONY: check-imports
check-imports: ## Prove scripts/imports.txt: who imports whom, and what the programs link
	@go test -C scripts/tools ./imports
	@scripts/check-imports.sh

.PHONY: check-generated
check-generated: tools ## Prove that the committed generated files are current
	@scripts/generate.sh --check

.PHONY: breaking
breaking: $(BIN)/buf ## Prove that the contracts still fit those of the main branch
	@scripts/breaking.sh

.PHONY: check-tidy
check-tidy: ## Prove that every go.mod and go.sum is tidy
	@scripts/tidy.sh --check

.PHONY: deploy-check
deploy-check: $(BIN)/helm3 $(BIN)/helm4 $(BIN)/kube-apiserver ## Install and upgrade the chart in a real API server (the first time builds that, for minutes)
	@scripts/ensure.sh etcd
	@scripts/deploy-check.sh

.PHONY: check-images
check-images: ## Prove that the images' programs come out the same when everything is compiled anew
	@GATEHOUSE_TEST_FRESH_BUILD=1 go test -C deploy/tests -count=1 -timeout 30m ./images -run Reproducible

##@ Generated and derived files

.PHONY: generate
generate: tools ## Write the generated files: Go from proto/, the OpenAPI document, a client from that
	@scripts/generate.sh

.PHONY: tidy
tidy: ## Tidy every go.mod and go.sum
	@scripts/tidy.sh

##@ Speed

.PHONY: bench
bench: ## Measure under load for less than four minutes (ARGS are handed on)
	@$(MAKE) --no-print-directory bench-run LENGTH=--short

.PHONY: bench-full
bench-full: ## Measure under load, every scenario at full length
	@$(MAKE) --no-print-directory bench-run LENGTH=--full

.PHONY: bench-run
bench-run:
	@scripts/ensure.sh redis-server
	@go build -C services/management -o $(CURDIR)/bin/ ./cmd/management
	@go build -C services/gateway -o $(CURDIR)/bin/ ./cmd/gateway
	@go build -C services/bench -o $(CURDIR)/bin/ ./cmd/bench
	@scripts/with-backing.sh bin/bench --programs $(CURDIR)/bin $(LENGTH) $(ARGS)

##@ Shipping

.PHONY: release
release: ## Build the programs for release into dist/ with checksums (VERSION=v1.2.3)
	@scripts/release.sh $(VERSION)

##@ Tools

.PHONY: tools
tools: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc $(BIN)/oapi-codegen ## Build the pinned generators into .cache/bin

# A tool is built again when the module that pins it changes.
$(BIN)/buf: scripts/tools/buf/go.mod scripts/tools/buf/go.sum
	@echo "build buf"
	@go build -C scripts/tools/buf -o $@ github.com/bufbuild/buf/cmd/buf

$(BIN)/protoc-gen-go: proto/go.mod proto/go.sum
	@echo "build protoc-gen-go"
	@go build -C proto -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

$(BIN)/protoc-gen-go-grpc: proto/go.mod proto/go.sum
	@echo "build protoc-gen-go-grpc"
	@go build -C proto -o $@ google.golang.org/grpc/cmd/protoc-gen-go-grpc

$(BIN)/oapi-codegen: scripts/tools/oapi-codegen/go.mod scripts/tools/oapi-codegen/go.sum
	@echo "build oapi-codegen"
	@go build -C scripts/tools/oapi-codegen -o $@ github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen

# Helm takes the version of Kubernetes that it expects from the linker, and so does the API server its own.
$(BIN)/helm3: scripts/tools/helm3/go.mod scripts/tools/helm3/go.sum
	@echo "build helm3"
	@go build -C scripts/tools/helm3 -trimpath -ldflags "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36" -o $@ helm.sh/helm/v3/cmd/helm

$(BIN)/helm4: scripts/tools/helm4/go.mod scripts/tools/helm4/go.sum
	@echo "build helm4"
	@go build -C scripts/tools/helm4 -trimpath -o $@ helm.sh/helm/v4/cmd/helm

$(BIN)/kube-apiserver: scripts/tools/kube-apiserver/go.mod scripts/tools/kube-apiserver/go.sum
	@echo "build kube-apiserver"
	@nice -n 19 go build -C scripts/tools/kube-apiserver -p 1 -trimpath -ldflags "-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36" -o $@ k8s.io/kubernetes/cmd/kube-apiserver

$(GOLANGCI):
	@echo "build golangci-lint $(GOLANGCI_VERSION)"
	@GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin dist .cache
