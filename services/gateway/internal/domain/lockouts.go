package domain

import configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"

// lockouts are the lock-outs that applications of a domain have for themselves, each with how many have it: there are few different
// ones among any number of applications. The zero value is empty.
type lockouts struct {
	held map[Lockout]int
	// all is the strictest of them, and known tells that it was made for what is held.
	all   *Lockout
	known bool
}

// ownLockout is the lock-out that an application has for itself; the zero value if it has none, or that of its domain, or signs nobody
// in.
func ownLockout(app *configv1.Application) Lockout {
	own := app.GetSettings().GetAccount()
	if own == nil || own.Inherited == nil || own.GetInherited() || app.GetTemplate() || !enabled(app) {
		return Lockout{}
	}
	if l := lockoutOf(own); l != nil {
		return *l
	}
	return Lockout{}
}

// replace puts an application in the place of what it was; either may be nil.
func (l *lockouts) replace(old, fresh *entry) {
	var before, after Lockout
	if old != nil {
		before = old.lockout
	}
	if fresh != nil {
		after = fresh.lockout
	}
	if before == after {
		return
	}
	if l.held == nil {
		l.held = map[Lockout]int{}
	}
	if l.held[before]--; before == (Lockout{}) || l.held[before] <= 0 {
		delete(l.held, before)
		l.known = false
	}
	if after == (Lockout{}) {
		return
	}
	if l.held[after]++; l.held[after] == 1 {
		l.known = false
	}
}

// strictest is what locks an account whenever one of them does, and as long; nil if there is none.
func (l *lockouts) strictest() *Lockout {
	if !l.known {
		l.all, l.known = nil, true
		for one := range l.held {
			l.all = stricter(l.all, &one)
		}
	}
	return l.all
}

// stricter is what locks an account whenever one of two lock-outs does, and as long; nil locks none.
func stricter(a, b *Lockout) *Lockout {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &Lockout{Max: min(a.Max, b.Max), Reset: max(a.Reset, b.Reset), Block: max(a.Block, b.Block)}
}

// portalWith is My applications with the strictest lock-out of the domain and its applications. What old has in common with it is
// shared; old may be nil.
func (core *Core) portalWith(strictest *Lockout, old *Domain) *Client {
	if strictest == nil {
		return core.portal
	}
	wanted := stricter(core.portal.Lockout, strictest)
	if old != nil && old.Core == core && old.Portal.Lockout != nil && *old.Portal.Lockout == *wanted {
		return old.Portal
	}
	portal := *core.portal
	portal.Lockout = wanted
	return &portal
}

// CountedAs names the client where attempts to sign in to it are counted: all those count together that lead into every application.
func (c *Client) CountedAs() string {
	if c.Everywhere {
		return ""
	}
	return c.ID
}
