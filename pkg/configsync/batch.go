package configsync

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Batch is a step from one state of the configuration to a later one. Applied as a whole it leads from one consistent
// state to the next; a part of it may not.
type Batch struct {
	// Installation identifies the database that Revision counts in.
	Installation string
	// Revision is the state after the batch.
	Revision int64
	// Reset means that Upserts are all there is, beside what is Withheld: whatever is held besides them is gone.
	Reset bool
	// Withheld is what a Reset leaves out, at most one entry for a domain; see SubscriberOptions.MostRegistered.
	Withheld []Withheld
	// BelongingsOnDemand means that what is Withheld includes what belongs to those clients; see SubscriberOptions.BelongingsOnDemand.
	BelongingsOnDemand bool
	// Registered is what else changes about registered clients, at most one entry for a domain. A Reset has none.
	Registered []Registered
	// Upserts are new or changed resources, each key at most once. A subscriber that is older than its publisher may find
	// one of a kind it does not know: a Resource without a kind. Of a lean subscriber they are empty: see All.
	Upserts []*configv1.Resource
	// Encoded are the upserts of a lean subscriber: those of one message end to end, each with its tag and length.
	Encoded [][]byte
	// Deletes name resources that are no more. Some of them may never have been there. No key is also in Upserts.
	Deletes []*configv1.Key
}

const (
	// MaxResourceBytes is the largest resource, encoded. A resource is never divided between messages.
	MaxResourceBytes = 8 << 20
	// MaxMessageBytes is the largest message a subscriber accepts. A part of a batch is far smaller, unless a single
	// resource fills it.
	MaxMessageBytes = 16 << 20
	// MaxRejections is how many rejections a report carries. The first ones are kept.
	MaxRejections = 1000
	// maxReasonBytes bounds the reason of one rejection.
	maxReasonBytes = 1024
	// maxNodeBytes bounds a gateway's name.
	maxNodeBytes = 256
)
