// Package config reads a program's configuration from flags, environment variables and a file into a struct.
//
// The struct says everything: a field tagged flag:"redis-url" is the flag --redis-url and the variable
// GATEHOUSE_REDIS_URL, help:"…" is its line in --help, and its default is the value it has in the defaults given to
// [Parse]. A flag beats a variable, a variable beats the file that --config or GATEHOUSE_CONFIG names, the file beats the
// default; an empty variable counts as absent. The file is YAML or JSON, one member for each setting, named as its flag:
//
//	redis-url-file: /etc/gatehouse/secrets/redis-url
//	trusted-proxies: [10.0.0.0/8]
//	drain-delay: 10s
//
// What is no setting is an error, wherever it stands, with the nearest name: a flag, a member of the file, and a variable
// that begins with GATEHOUSE_, other than GATEHOUSE_TEST_… and GATEHOUSE_CTL_…. A wrong value is an error even where a stronger source
// says another. --check-config says everything that is wrong, each with its source, or prints what the program would run
// with ([Load]).
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
// contains a password; then it too comes from --redis-url-file or a variable. Neither is written into the configuration file.
//
// A program that embeds the configuration of others tags the field with rename:"technical-address=gateway-technical-address"
// to tell equal names apart and with omit:"redis-url mongodb-uri" to set fields itself. Fields with equal names, types
// and defaults that are not told apart are one flag that sets them all.
//
// In Kubernetes, set enableServiceLinks: false for the pods: the variables it makes for a Service named gatehouse-…
// are refused as settings that there are not.
package config
