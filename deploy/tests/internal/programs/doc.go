// Package programs makes the programs as their Dockerfiles do, outside a container, and runs them as a deployment would: with
// the settings of a chart or a compose file, and files where those say that they are.
package programs
