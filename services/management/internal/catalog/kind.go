package catalog

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// Listing says how a collection is answered.
type Listing uint8

// The ways to answer a collection.
const (
	Paged Listing = iota // {data, currentPage, totalCount}
	Bare                 // a plain array
)

// Kind is one kind of configuration resource. Functions that are nil do nothing. Where a function takes an old and a
// fresh resource, old has no content (its getters answer zero values) when the resource is being created. It must not
// be changed.
type Kind[R resource.Resource] struct {
	Arm    string // the arm of configv1.Resource: application
	Title  string // in texts: Application
	Path   string // in URLs, and the name of the collection in the database: applications
	Parent Any    // the kind it lies under; nil at the top
	List   Listing

	// PutMerges says that PUT keeps what the body leaves out, like PATCH.
	PutMerges bool
	// NeedsMember says that a change without any member that can be changed is refused.
	NeedsMember bool
	// ChoosesID says that a POST may bring the identifier along.
	ChoosesID bool
	// Needs are the parts of the Scene that the functions below read.
	Needs Needs

	// Unique are the values that no two resources may share.
	Unique []Unique[R]
	// Name is what people call the resource.
	Name func(R) string
	// SortKey orders lists; equal keys are ordered by identifier. Nil: the name in any case.
	SortKey func(R) string
	// Searched are the texts that the search of a list looks at.
	Searched func(R) []string

	// NewDraft returns an empty body of a POST. Nil: the resource itself.
	NewDraft func() proto.Message
	// Build makes the resource that a draft asks for. Nil: the draft is the resource.
	Build func(ctx context.Context, s *Scene, draft proto.Message) (R, Issued, error)
	// Posted, Put and Patched look at a body before it is read, and return what to read instead. They do not change
	// the body. Put gets the stored resource.
	Posted  func(body prototree.Object) (prototree.Object, error)
	Put     func(body prototree.Object, old R) (prototree.Object, error)
	Patched func(body prototree.Object) (prototree.Object, error)
	// Fixed refuses a body of a change that would change what never does, before the rest of it is read: without that it may read as
	// something else.
	Fixed func(body prototree.Object, old R) error

	// Normalize fills in defaults and what other members imply, and turns chosen secrets into what is kept of them.
	Normalize func(ctx context.Context, s *Scene, old, fresh R) error
	// Validate refuses what breaks a rule, with the documented text. It may correct silently where the rule says so.
	Validate func(s *Scene, old, fresh R) error
	// Companions are the resources that come into being with the change.
	Companions func(ctx context.Context, s *Scene, old, fresh R) ([]resource.Resource, error)

	// Keep refuses a deletion for reasons that lie in the resource itself, Guard for reasons that lie around it.
	Keep  func(R) error
	Guard func(s *Scene, gone R) error
	// Replaced returns the resource that takes the place of one that is deleted, if there is one: references with a Move
	// then lead there instead of being refused or removed.
	Replaced func(s *Scene, gone R) (R, bool)
	// StandsIn reports whether a resource can be what others name by a Shared value. Nil: all can.
	StandsIn func(R) bool
	// References are the places where other resources of the domain may name one of this kind.
	References []Reference[R]
	// Shared are the places where other resources of the domain name a value that several of this kind may have.
	Shared []Shared[R]
}

// Unique is a value that no two resources of a kind may share.
type Unique[R resource.Resource] struct {
	// Name identifies the value among those of the kind.
	Name string
	// Value is never empty, and contains whatever limits the uniqueness, such as the domain.
	Value func(R) string
	// Taken is the refusal if another resource has the value. Old is the stored resource that was to be changed.
	Taken func(old, fresh R) error
}

// Reference is a place in resources of the same domain that may name a resource.
type Reference[R resource.Resource] struct {
	// Kind is the arm of the referring kind, Field the place in its stored document.
	Kind, Field string
	// Value is what stands there.
	Value func(R) string
	// In reports whether a resource has the reference, where it is no value of a member, such as the key of a map.
	In func(from resource.Resource, gone R) bool
	// Refuse is the text by which a deletion is refused while there is a reference. Empty: references are removed.
	Refuse string
	// Refused makes the refusal where it is more than this text; from are all that have the reference.
	Refused func(from []resource.Resource, gone R) error
	// Remove takes the reference out of a resource that has it.
	Remove func(from resource.Resource, gone R)
	// Move lets the reference of a resource that has it lead to another one.
	Move func(from resource.Resource, gone, to R)
}

// Shared is a place in resources of the same domain that names a value instead of a resource. While something stands
// there, the last resource that has the value cannot be deleted.
type Shared[R resource.Resource] struct {
	// Kind is the arm of the referring kind, Field the place in its stored document.
	Kind, Field string
	// By is the member that has the value in the stored document of this kind, Value the value.
	By    string
	Value func(R) string
	// Refuse is the text of the refusal.
	Refuse string
}

// SharedUse is a Shared with the value of one resource.
type SharedUse struct{ Kind, Field, By, Value, Refuse string }

// Any is a kind whose resource type does not matter. Its methods must be given resources of the kind.
type Any interface {
	Descriptor() Descriptor
	// NewResource returns an empty resource.
	NewResource() resource.Resource
	// UniqueValues returns the values that must be unique, by their names.
	UniqueValues(r resource.Resource) []UniqueValue
	// Taken is the refusal of a value that another resource has.
	Taken(old, fresh resource.Resource, unique string) error
	// SortText and SearchText are what lists are ordered and searched by.
	SortText(r resource.Resource) string
	SearchText(r resource.Resource) []string
	// NameOf is what people call the resource.
	NameOf(r resource.Resource) string
	// SharedUses are the places that need the resource if no other has what they name.
	SharedUses(r resource.Resource) []SharedUse
	// CanStandIn reports whether a resource can be what others name by a Shared value.
	CanStandIn(r resource.Resource) bool
	// Restored completes and checks a resource that comes whole out of an archive.
	Restored(ctx context.Context, s *Scene, r resource.Resource) error
}

// UniqueValue is one value of a resource that must be unique.
type UniqueValue struct{ Name, Value string }

// Descriptor is what can be said of a kind without its type.
type Descriptor struct {
	Arm, Title, Path string
	Parent           Any
	List             Listing
	PutMerges        bool
	Unique           []string // the names of the unique values
}

// Descriptor implements Any.
func (k *Kind[R]) Descriptor() Descriptor {
	d := Descriptor{Arm: k.Arm, Title: k.Title, Path: k.Path, Parent: k.Parent, List: k.List, PutMerges: k.PutMerges}
	for _, u := range k.Unique {
		d.Unique = append(d.Unique, u.Name)
	}
	return d
}

// New returns an empty resource.
func (k *Kind[R]) New() R { return resource.New(k.Arm).(R) }

// NewResource implements Any.
func (k *Kind[R]) NewResource() resource.Resource { return k.New() }

// Draft returns an empty body of a POST.
func (k *Kind[R]) Draft() proto.Message {
	if k.NewDraft == nil {
		return k.New()
	}
	return k.NewDraft()
}

// UniqueValues implements Any.
func (k *Kind[R]) UniqueValues(r resource.Resource) []UniqueValue {
	values := make([]UniqueValue, len(k.Unique))
	for i, u := range k.Unique {
		values[i] = UniqueValue{Name: u.Name, Value: u.Value(r.(R))}
	}
	return values
}

// Taken implements Any.
func (k *Kind[R]) Taken(old, fresh resource.Resource, unique string) error {
	o, ok := old.(R)
	if !ok {
		var none R
		o = none
	}
	for _, u := range k.Unique {
		if u.Name == unique {
			return u.Taken(o, fresh.(R))
		}
	}
	if k.ChoosesID {
		return fault.Invalidf("%s [%s] already exists.", k.Title, fresh.GetId()).At("id", "already exists")
	}
	return fault.Conflictf("%s [%s] already exists.", k.Title, fresh.GetId())
}

// SortText implements Any.
func (k *Kind[R]) SortText(r resource.Resource) string {
	if k.SortKey == nil {
		return strings.ToLower(k.NameOf(r))
	}
	return k.SortKey(r.(R))
}

// SearchText implements Any.
func (k *Kind[R]) SearchText(r resource.Resource) []string {
	if k.Searched == nil {
		return []string{k.NameOf(r)}
	}
	return k.Searched(r.(R))
}

// NameOf implements Any.
func (k *Kind[R]) NameOf(r resource.Resource) string { return k.Name(r.(R)) }

// SharedUses implements Any.
func (k *Kind[R]) SharedUses(r resource.Resource) []SharedUse {
	var uses []SharedUse
	if !k.CanStandIn(r) {
		return nil
	}
	for _, s := range k.Shared {
		if value := s.Value(r.(R)); value != "" {
			uses = append(uses, SharedUse{Kind: s.Kind, Field: s.Field, By: s.By, Value: value, Refuse: s.Refuse})
		}
	}
	return uses
}

// CanStandIn implements Any.
func (k *Kind[R]) CanStandIn(r resource.Resource) bool { return k.StandsIn == nil || k.StandsIn(r.(R)) }

// NotFound is the documented answer for an identifier that names nothing.
func (k *Kind[R]) NotFound(id string) error {
	return fault.NotFoundf("%s [%s] can not be found.", k.Title, id)
}

// Collection returns the route of the collection below the environment: /domains/{domain}/applications.
func (k *Kind[R]) Collection() string { return collection(k) }

// Item returns the route of one resource below the environment: /domains/{domain}/applications/{application}.
func (k *Kind[R]) Item() string { return item(k) }

func collection(k Any) string {
	d := k.Descriptor()
	if d.Parent == nil {
		return "/" + d.Path
	}
	return item(d.Parent) + "/" + d.Path
}

func item(k Any) string {
	return fmt.Sprintf("%s/{%s}", collection(k), k.Descriptor().Arm)
}
