package management

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
)

// TestReadinessFollowsTheDatabase: it is away with the first question that is not answered, and back once it answers steadily.
func TestReadinessFollowsTheDatabase(t *testing.T) {
	const yes, no = true, false
	for _, tt := range []struct {
		name    string
		answers []bool
		want    []bool // readiness after each
	}{
		{"as long as it answers it is there", []bool{yes, yes, yes}, []bool{yes, yes, yes}},
		{"one missing answer makes it away", []bool{yes, no}, []bool{yes, no}},
		{"it is back after three answers in a row", []bool{no, yes, yes, yes, yes}, []bool{no, no, no, yes, yes}},
		{"while it comes and goes it is away", []bool{no, yes, yes, no, yes, no, yes, yes, no}, []bool{no, no, no, no, no, no, no, no, no}},
		{"after that it is back as well", []bool{no, yes, yes, no, yes, yes, yes, no}, []bool{no, no, no, no, no, no, yes, no}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ready := serve.NewReadiness(database)
				ready.Set(database, true, "")
				s := &start{ready: ready, log: slog.New(slog.DiscardHandler)}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				asked := 0
				questions := make(chan bool)
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					s.watch(ctx, func(context.Context) error {
						asked++
						if <-questions {
							return nil
						}
						return errors.New("no answer")
					})
				}()
				for i, answer := range tt.answers {
					began := time.Now()
					questions <- answer
					synctest.Wait()
					if got, _ := ready.Ready(); got != tt.want[i] {
						t.Errorf("after answer %d: ready is %v", i+1, got)
					}
					before := i > 0 && !tt.want[i-1]
					if took := time.Since(began); before && took != askEveryAgain || !before && took != askEvery {
						t.Errorf("question %d came after %s", i+1, took)
					}
				}
				if asked != len(tt.answers) {
					t.Errorf("asked %d times", asked)
				}
				cancel()
				<-answered
			})
		})
	}
}

// TestPlaneServicesFollowTheRoles: gateways are told nothing of a service that this replica does not have.
func TestPlaneServicesFollowTheRoles(t *testing.T) {
	for _, tt := range []struct {
		roles []string
		want  map[string]int // how many conditions each needs
	}{
		{[]string{roleDirectory}, map[string]int{"gatehouse.directory.v1.DirectoryService": 2}},
		{[]string{roleAPI, roleDistribution, roleSync}, map[string]int{
			"gatehouse.configsync.v1.ConfigSyncService": 1, "gatehouse.registration.v1.RegistrationService": 2,
			"gatehouse.assets.v1.AssetService": 2, "gatehouse.usage.v1.UsageService": 2,
		}},
		{[]string{roleAPI}, nil},
	} {
		c := &Config{Roles: tt.roles}
		got := c.planeServices()
		if len(got) != len(tt.want) {
			t.Errorf("%v: %v", tt.roles, got)
		}
		for name, conditions := range tt.want {
			if len(got[name]) != conditions {
				t.Errorf("%v: %s needs %v", tt.roles, name, got[name])
			}
		}
	}
}
