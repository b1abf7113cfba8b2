package clientmeta

import (
	"slices"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Registered reports whether a name is that of a member that can be registered now.
func Registered(name string) bool { return members[name] != nil }

// Overlay gives dst the registered members of src that are named, and takes those away that src does not have. Without
// names it is all of them. Names of other members are passed over; scope is one, for no field stands for it.
func Overlay(dst, src *configv1.OAuthSettings, names []string) {
	from, to := proto.CloneOf(src).ProtoReflect(), dst.ProtoReflect()
	for name, f := range members {
		switch {
		case names != nil && !slices.Contains(names, name):
		case from.Has(f):
			to.Set(f, from.Get(f))
		default:
			to.Clear(f)
		}
	}
}

// Names returns the members that stood in the body, sorted: those that Overlay has to be given to change what is stored.
// It is never nil.
func (m Members) Names() []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
