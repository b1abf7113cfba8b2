package prototree

import (
	"slices"
	"strconv"
	"strings"
)

// Reason says what is wrong with a tree.
type Reason uint8

// The reasons of an Error.
const (
	Malformed Reason = iota // not one JSON object
	Unknown                 // a member that the message does not have
	Kind                    // a value of a wrong kind
	Enum                    // a word that is not among the possible ones, or none where one is needed
	Range                   // a number or a time that does not fit
	Sealed                  // a stored secret that cannot be opened
)

// Error is a fault in a tree.
type Error struct {
	// Path is the place, as the client wrote it: identityProviders[0].selectionRule, metadata["odd key"]. Empty is the
	// whole tree.
	Path string
	// Leaf is the name of the last member on the path.
	Leaf   string
	Reason Reason
	// Detail is what is wrong, to be read after the name of the member: "must be a boolean".
	Detail string
	// Value is what was given instead, for the reasons Enum and Range. It may be empty.
	Value string
	// More are further faults of the same tree, by their paths, mostFaults of them altogether. They have no More.
	More []*Error

	cause error
}

// mostFaults is how many faults of one tree are told.
const mostFaults = 50

// and returns e with the faults of next behind its own. Either may be nil.
func (e *Error) and(next *Error) *Error {
	switch {
	case e == nil:
		return next
	case next == nil:
		return e
	}
	further := append([]*Error{next}, next.More...)
	next.More = nil
	e.More = append(e.More, further[:min(len(further), mostFaults-1-len(e.More))]...)
	return e
}

// full reports whether no further fault would be told.
func (e *Error) full() bool { return e != nil && len(e.More) >= mostFaults-1 }

// all calls f for e and for what is with it.
func (e *Error) all(f func(*Error)) *Error {
	f(e)
	for _, m := range e.More {
		f(m)
	}
	return e
}

// Strangers reports whether all that is wrong is members that are not known: everything else of the tree was read.
func (e *Error) Strangers() bool {
	return e.Reason == Unknown && !slices.ContainsFunc(e.More, func(m *Error) bool { return m.Reason != Unknown })
}

// Message returns the text that the management API documents for the fault.
func (e *Error) Message() string {
	switch e.Reason {
	case Malformed:
		return "Malformed json"
	case Unknown:
		return "Property [" + e.Leaf + "] is not recognized as a valid property"
	}
	subject := e.Leaf
	if e.Value != "" {
		subject = e.Value
	}
	if subject == "" {
		return "[" + e.Detail + "]"
	}
	return "[" + subject + ": " + e.Detail + "]"
}

// Error returns path and detail. Values are not part of it.
func (e *Error) Error() string {
	if e.Path == "" {
		return "the tree " + e.Detail
	}
	return e.Path + " " + e.Detail
}

// Unwrap returns why a sealed value could not be opened, or nil.
func (e *Error) Unwrap() error { return e.cause }

// under puts the place of e inside the named member.
func (e *Error) under(name string) *Error {
	return e.all(func(e *Error) {
		if e.Leaf == "" {
			e.Leaf = name
		}
		e.Path = Join(name, e.Path)
	})
}

// at puts the place of e inside the i-th element of a list.
func (e *Error) at(i int) *Error {
	return e.all(func(e *Error) { e.Path = Join(Index("", i), e.Path) })
}

// inKey puts the place of e inside the entry of a map.
func (e *Error) inKey(key string) *Error {
	return e.all(func(e *Error) {
		if e.Leaf == "" {
			e.Leaf = key
		}
		e.Path = Join(Member("", key), e.Path)
	})
}

// Member returns the path of a member. A name that is not a plain word is written in brackets and quotes.
func Member(path, name string) string {
	if plain(name) {
		return Join(path, name)
	}
	return path + "[" + strconv.Quote(name) + "]"
}

// Index returns the path of the i-th element of a list, counted from 0.
func Index(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// Join returns the path that leads first to one place and from there along the second.
func Join(first, second string) string {
	if first == "" || second == "" || second[0] == '[' {
		return first + second
	}
	return first + "." + second
}

func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	})
}
