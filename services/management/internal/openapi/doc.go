// Package openapi describes the management API as an OpenAPI 3.1 document, made from the routes that are served and the
// comments of the messages in proto/.
//
//	routes ──▶ New ──▶ Document ──▶ YAML                for people and tools
//	                       └──────▶ Compatible ──▶ YAML  OpenAPI 3.0.3, from which the Go client is generated
//
// Paths stand in the document once, relative to two servers: /management, which means the default organization and
// environment, and the long form that names both. A route that is described incompletely fails New, and with it
// `make generate`.
package openapi
