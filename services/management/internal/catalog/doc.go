// Package catalog provides the kinds of configuration resource that can be managed, one file each.
//
// A Kind says everything that distinguishes a kind from the others: where it lies, what creates it, its defaults and
// rules, what must be unique, and who may refer to it. The packages around it (store, editor, rest) are written once
// for all kinds. Nothing here performs I/O; what a kind needs to know of the rest of its domain comes in a Scene.
package catalog
