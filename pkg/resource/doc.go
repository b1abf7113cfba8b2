// Package resource provides what all configuration resources share: their key, the stamps the server sets, the
// obedience to field marks, and a form that may be logged.
package resource
