package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// Key is the name of the setting, without dashes before it; empty where a name is not one.
	Key string
	// Source is who says it, as a person would look for it: --workers, GATEHOUSE_WORKERS, FILE:3: workers. It is empty for a default.
	Source string
	// Problem goes on from the source: " must be at least 1", ": no such file".
	Problem string
}

func (f *Fault) Error() string {
	if f.Source == "" {
		return "--" + f.Key + f.Problem
	}
	return f.Source + f.Problem
}

// Invalid is for Validate methods: it says what is wrong with the value of a setting, such as "must be at least 1". [Parse] adds
// where the value comes from.
func Invalid(key, format string, args ...any) error {
	return &Fault{Key: key, Problem: " " + fmt.Sprintf(format, args...)}
}

// flat lists joined errors one by one.
func flat(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flat(e)...)
	}
	return all
}

// sourced adds to the faults that a struct found in itself who says the values, and keeps the order. What is said in plain words
// and begins with a flag is about that flag.
func sourced(err error, all []*setting) error {
	var out []error
	for _, e := range flat(err) {
		var f *Fault
		if !errors.As(e, &f) {
			f = worded(e, all)
		}
		if f != nil && f.Source == "" {
			for _, s := range all {
				if s.name == f.Key {
					e = &Fault{Key: f.Key, Source: s.source, Problem: f.Problem}
				}
			}
		}
		out = append(out, e)
	}
	return errors.Join(out...)
}

func worded(err error, all []*setting) *Fault {
	name, isFlag := strings.CutPrefix(err.Error(), "--")
	if !isFlag {
		return nil
	}
	if end := strings.IndexAny(name, " :"); end >= 0 {
		key := name[:end]
		if slices.ContainsFunc(all, func(s *setting) bool { return s.name == key }) {
			return &Fault{Key: key, Problem: name[end:]}
		}
	}
	return nil
}

// nearest returns the name that somebody most likely meant: the only one within a third of its length in edits, or "".
func nearest(name string, names []string) string {
	best, least := "", len(name)/3+1
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters are to be inserted, removed, replaced or swapped with their neighbour.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			other := 0
			if a[i-1] != b[j-1] {
				other = 1
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// didYouMean is the end of a sentence about a name that there is not.
func didYouMean(name string, names []string, otherwise string) string {
	if near := nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	if otherwise == "" {
		return ""
	}
	return ", " + strings.TrimSpace(otherwise)
}
