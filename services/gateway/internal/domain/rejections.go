package domain

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// rejections are what of the present configuration cannot be used, and why. Requests that compile a client report here
// too, and never wait for a batch that is being applied.
type rejections struct {
	log  *slog.Logger
	size atomic.Int64

	mu      sync.Mutex
	reasons map[resource.Key]string
}

func (r *rejections) init(log *slog.Logger) { r.log, r.reasons = log, map[resource.Key]string{} }

// set notes that a resource cannot be used, or that it can again.
func (r *rejections) set(key resource.Key, err error) {
	if err == nil && r.size.Load() == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.count()
	if err == nil {
		delete(r.reasons, key)
		return
	}
	if reason := err.Error(); r.reasons[key] != reason {
		r.reasons[key] = reason
		r.log.Error("resource cannot be used as configured", "domain", key.Domain, "kind", key.Kind, "id", key.ID, "err", err)
	}
}

// drop forgets a domain.
func (r *rejections) drop(domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.reasons, func(key resource.Key, _ string) bool { return key.Domain == domain })
	r.count()
}

func (r *rejections) count() { r.size.Store(int64(len(r.reasons))) }

// of returns the reasons of one domain.
func (r *rejections) of(domain string) map[resource.Key]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := map[resource.Key]string{}
	for key, reason := range r.reasons {
		if key.Domain == domain {
			own[key] = reason
		}
	}
	return own
}

// list returns everything in the order of the keys.
func (r *rejections) list() []*configsyncv1.Rejection {
	if r.size.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*configsyncv1.Rejection, 0, len(r.reasons))
	for _, key := range slices.SortedFunc(maps.Keys(r.reasons), func(a, b resource.Key) int {
		return strings.Compare(a.String(), b.String())
	}) {
		list = append(list, &configsyncv1.Rejection{Key: key.Proto(), Reason: r.reasons[key]})
	}
	return list
}
