package access

import "github.com/gatehouse-am/gatehouse/pkg/rules"

// Reads returns what expressions other than policies may read of a person at the application, and of a moment: claim mappings. Without
// a person they know of none.
func (r *Rule) Reads(p *Person, s *Situation) *rules.Access {
	if p == nil {
		p = &Person{}
	}
	return r.input(p, s).Access
}
