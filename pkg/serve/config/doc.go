// Package config reads a program's configuration from flags and environment variables into a struct.
//
// The struct says everything: a field tagged flag:"redis-url" is the flag --redis-url and the variable
// GATEHOUSE_REDIS_URL, help:"…" is its line in --help, and its default is the value it has in the defaults given to
// [Parse]. A flag beats a variable, a variable beats the default; an empty variable counts as absent.
//
//	type Config struct {
//		Address  string         `flag:"gateway-address" help:"where clients reach the gateway"`
//		RedisURL config.URL     `flag:"redis-url" help:"codes and sessions are kept here"`
//		Password config.Secret  `flag:"technical-password" help:"for /_node on the technical port"`
//		Plane    TLS            // its fields count as fields of Config
//	}
//
// A [Secret] has no plain flag: it is read from the file named by --technical-password-file (or the variable
// GATEHOUSE_TECHNICAL_PASSWORD_FILE), or taken from GATEHOUSE_TECHNICAL_PASSWORD. A [URL] is a plain flag unless it
// contains a password; then it too comes from --redis-url-file or a variable.
//
// A program that embeds the configuration of others tags the field with rename:"technical-address=gateway-technical-address"
// to tell equal names apart and with omit:"redis-url mongodb-uri" to set fields itself. Fields with equal names, types
// and defaults that are not told apart are one flag that sets them all.
//
// In Kubernetes, set enableServiceLinks: false for the pods: the variables it makes for a Service named gatehouse-…
// would be taken for configuration.
package config
