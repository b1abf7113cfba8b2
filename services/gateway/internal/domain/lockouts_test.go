package domain

import (
	"fmt"
	"testing"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func locking(id string, change func(*configv1.AccountSettings)) *entry {
	account := &configv1.AccountSettings{Inherited: new(bool), LoginAttemptsDetectionEnabled: true, MaxLoginAttempts: 5, AccountBlockedDuration: 60}
	if change != nil {
		change(account)
	}
	e, err := newEntry(&configv1.Application{Id: id, Settings: &configv1.ApplicationSettings{
		Account: account, Oauth: &configv1.OAuthSettings{ClientId: id},
	}}, nil)
	if err != nil {
		panic(err)
	}
	return e
}

func TestStrictestLockoutFollowsApplications(t *testing.T) {
	var l lockouts
	mild := locking("mild", nil)
	hard := locking("hard", func(a *configv1.AccountSettings) { a.MaxLoginAttempts, a.AccountBlockedDuration = 3, 30 })
	none := locking("none", func(a *configv1.AccountSettings) { a.LoginAttemptsDetectionEnabled = false })
	like := locking("like", func(a *configv1.AccountSettings) { a.MaxLoginAttempts, a.Inherited = 1, nil })
	for _, step := range []struct {
		name       string
		old, fresh *entry
		want       string
	}{
		{"none has its own", nil, none, "none"},
		{"one is like the domain", nil, like, "none"},
		{"one locks", nil, mild, "5 1m0s"},
		{"another locks earlier, and shorter", nil, hard, "3 1m0s"},
		{"a third is like it", nil, hard, "3 1m0s"},
		{"the other is deleted", hard, nil, "3 1m0s"},
		{"so is the third", hard, nil, "5 1m0s"},
		{"the first becomes strict", mild, hard, "3 30s"},
		{"it locks no more", hard, none, "none"},
	} {
		l.replace(step.old, step.fresh)
		got := "none"
		if s := l.strictest(); s != nil {
			got = fmt.Sprint(s.Max, " ", s.Block)
		}
		if got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

func TestStrictestLockoutOfMyApplicationsIsMadeOnce(t *testing.T) {
	core := &Core{portal: &Client{Lockout: &Lockout{Max: 4, Reset: time.Hour, Block: time.Hour}}}
	d := &Domain{Core: core}
	d.Portal = core.portalWith(&Lockout{Max: 2, Reset: time.Minute, Block: 2 * time.Hour}, nil)
	if want := (Lockout{Max: 2, Reset: time.Hour, Block: 2 * time.Hour}); *d.Portal.Lockout != want {
		t.Errorf("%+v, want %+v", *d.Portal.Lockout, want)
	}
	if again := core.portalWith(&Lockout{Max: 2, Reset: time.Second, Block: 2 * time.Hour}, d); again != d.Portal {
		t.Error("the same lock-out makes it anew")
	}
	if core.portalWith(nil, d) != core.portal {
		t.Error("without applications that lock it is not the domain's own")
	}
}
