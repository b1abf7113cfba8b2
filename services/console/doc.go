// Package console serves the web pages of the administration console, embedded in the binary.
//
// The pages are files: they hold no state and no secrets, and everything they show comes from the management API under
// the caller's own token. Whoever mounts the handler below a path strips that path first (http.StripPrefix).
package console
