package audit

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Origin is where a request came from.
type Origin struct {
	Address   string // an IP address, as trusted proxies tell it; "" if it has none
	UserAgent string
}

type originKey struct{}

// WithOrigin says where the work under ctx was asked for.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginFrom returns the origin of ctx, empty for work that nobody asked for.
func OriginFrom(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// Kinds of actors.
const (
	ActorOperator = "operator"
	ActorClient   = "client" // an application, by dynamic registration
	ActorUser     = "user"   // somebody of a domain's directory
	ActorSystem   = "system" // the service itself
)

// Actor is who did something.
type Actor struct{ Kind, ID, Name string }

type actorKey struct{}

// WithActor says who acts under ctx where it is no operator.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// AuthorOf returns who acts under ctx and from where, as records of changes name it.
func AuthorOf(ctx context.Context) store.Author {
	actor, origin := actorFrom(ctx), OriginFrom(ctx)
	return store.Author{
		Kind: actor.Kind, ID: actor.ID, Name: actor.Name,
		IP: origin.Address, UserAgent: short(origin.UserAgent), RequestID: observe.RequestID(ctx),
	}
}

// actorFrom returns the operator of ctx, else the actor that was named, else the system.
func actorFrom(ctx context.Context) Actor {
	if o, ok := operator.From(ctx); ok {
		return Actor{Kind: ActorOperator, ID: o.ID, Name: o.Name}
	}
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Kind: ActorSystem}
}
