// Package compose proves what can be proved of deploy/compose without a container engine: that it is read as meant by the
// library that Compose itself uses, that files and settings fit together, and that the programs run with them.
package compose
