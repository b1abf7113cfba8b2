// Package report keeps what a benchmark measured, judges it by its goals and prints it, as a table for people and as JSON
// for programs.
package report
