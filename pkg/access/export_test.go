package access

import "time"

// Hurry gives every binding another deadline, in place of its whole seconds.
func (r *Rule) Hurry(deadline time.Duration) {
	for _, b := range r.bindings {
		b.timeout = deadline
	}
}

// Deadlines are those of the bindings, in their order.
func (r *Rule) Deadlines() []time.Duration {
	var all []time.Duration
	for _, b := range r.bindings {
		all = append(all, b.timeout)
	}
	return all
}
