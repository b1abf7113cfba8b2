package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
)

func TestLifetimesOfRegisteredClients(t *testing.T) {
	usual := Defaults().Registered
	if got, want := usual.lifetimes(), (registration.Lifetimes{AccessToken: 7200 * time.Second, RefreshToken: 14400 * time.Second, IDToken: 14400 * time.Second}); got != want {
		t.Errorf("by default %v, want %v", got, want)
	}
	tests := []struct {
		name   string
		change func(*Registered)
		flag   string // that is at fault; empty for none
	}{
		{"the usual ones", func(*Registered) {}, ""},
		{"one second", func(r *Registered) { r.AccessToken, r.RefreshToken, r.IDToken = time.Second, time.Second, time.Second }, ""},
		{"as long as a lifetime can be", func(r *Registered) { r.RefreshToken = 2147483647 * time.Second }, ""},
		{"access tokens that never live", func(r *Registered) { r.AccessToken = 0 }, "registered-access-token-validity"},
		{"refresh tokens that ended before", func(r *Registered) { r.RefreshToken = -time.Hour }, "registered-refresh-token-validity"},
		{"ID tokens of less than a second", func(r *Registered) { r.IDToken = 999 * time.Millisecond }, "registered-id-token-validity"},
		{"access tokens of no whole second", func(r *Registered) { r.AccessToken = 1500 * time.Millisecond }, "registered-access-token-validity"},
		{"longer than a lifetime can be", func(r *Registered) { r.RefreshToken = 2147483648 * time.Second }, "registered-refresh-token-validity"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := usual
			tt.change(&r)
			err := r.validate()
			if (err == nil) != (tt.flag == "") || err != nil && (!strings.Contains(err.Error(), "--"+tt.flag) || strings.Count(err.Error(), "--") != 1) {
				t.Errorf("%v, want a word about %q", err, tt.flag)
			}
		})
	}
}
