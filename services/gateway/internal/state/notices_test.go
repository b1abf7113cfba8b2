package state_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func notice(domain string) state.Notice {
	return state.Notice{ID: secret.NewID(), Domain: domain, ApplicationID: "app-web", ClientID: "web", Person: "ann", Session: "s"}
}

func TestNotices(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s, other := open(t, url, clock), open(t, url, clock)
		due := func(d string) bool {
			list, err := other.DueNotices(t.Context())
			want(t, err, nil)
			return slices.Contains(list, d)
		}
		claim := func(on *state.Store, d string, most int) []state.Notice {
			list, err := on.ClaimNotices(t.Context(), d, most, 30*time.Second)
			want(t, err, nil)
			return list
		}
		t.Run("are queued with the end of the session, and told the gateway that queued them", func(t *testing.T) {
			cookie, v := signedIn(t, s, clock)
			n := notice("d-" + secret.NewID())
			_, err := s.CloseSession(t.Context(), cookie, &v, state.SessionClients{}, []state.Notice{n})
			want(t, err, nil)
			select {
			case <-s.Noticed():
			default:
				t.Error("nobody is told")
			}
			n.Attempt = 1
			if diff := cmp.Diff([]state.Notice{n}, claim(other, n.Domain, 9)); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
		t.Run("belong to one gateway until its lease ends", func(t *testing.T) {
			d := "d-" + secret.NewID()
			n := notice(d)
			want(t, s.QueueNotices(t.Context(), []state.Notice{n}), nil)
			if !due(d) || len(claim(s, d, 9)) != 1 || due(d) || len(claim(other, d, 9)) != 0 {
				t.Error("it is not there once")
			}
			clock.Forward(31 * time.Second)
			if !due(d) {
				t.Error("after the lease it is not due")
			}
			if got := claim(other, d, 9); len(got) != 1 || got[0].Attempt != 2 {
				t.Errorf("after the lease: %v", got)
			}
			want(t, other.SettleNotice(t.Context(), n), nil)
			clock.Forward(31 * time.Second)
			if got := claim(s, d, 9); len(got) != 0 || due(d) {
				t.Errorf("after it was settled: %v", got)
			}
		})
		t.Run("can be put off, with or without counting the attempt", func(t *testing.T) {
			d := "d-" + secret.NewID()
			want(t, s.QueueNotices(t.Context(), []state.Notice{notice(d)}), nil)
			first := claim(s, d, 1)[0]
			want(t, s.PostponeNotice(t.Context(), first, time.Minute, false), nil)
			if due(d) {
				t.Error("it is due at once")
			}
			clock.Forward(time.Minute)
			if !due(d) {
				t.Error("it is not due in time")
			}
			again := claim(s, d, 1)
			if len(again) != 1 || again[0].Attempt != 1 {
				t.Fatalf("a claim that does not count: %v", again)
			}
			want(t, s.PostponeNotice(t.Context(), again[0], time.Second, true), nil)
			clock.Forward(time.Second)
			if got := claim(s, d, 1); len(got) != 1 || got[0].Attempt != 2 {
				t.Errorf("a claim that counts: %v", got)
			}
			gone := notice(d)
			want(t, s.PostponeNotice(t.Context(), gone, 0, true), nil)
			if got := claim(s, d, 9); len(got) != 0 {
				t.Errorf("one that was settled meanwhile came back: %v", got)
			}
		})
		t.Run("are taken as many as there is room for, by one gateway each", func(t *testing.T) {
			d := "d-" + secret.NewID()
			var all []state.Notice
			for range 64 {
				all = append(all, notice(d))
			}
			want(t, s.QueueNotices(t.Context(), all), nil)
			var racers sync.WaitGroup
			var mu sync.Mutex
			seen := map[string]int{}
			for i := range 32 {
				on := s
				if i%2 == 1 {
					on = other
				}
				racers.Go(func() {
					list, err := on.ClaimNotices(t.Context(), d, 2, 30*time.Second)
					if err != nil || len(list) != 2 {
						t.Errorf("%d notices, %v", len(list), err)
					}
					mu.Lock()
					defer mu.Unlock()
					for _, n := range list {
						seen[n.ID]++
					}
				})
			}
			racers.Wait()
			for id, n := range seen {
				if n != 1 {
					t.Errorf("%s was given to %d", id, n)
				}
			}
			if len(seen) != 64 {
				t.Errorf("%d notices were given", len(seen))
			}
		})
	})
}

func TestNoticesAreBoundedPerDomain(t *testing.T) {
	clock := gatewaytest.NewClock()
	s := open(t, gatewaytest.Redis(t), clock)
	crowded, empty := "d-"+secret.NewID(), "d-"+secret.NewID()
	full := make([]state.Notice, state.MaxNotices)
	for i := range full {
		full[i] = notice(crowded)
	}
	for part := range slices.Chunk(full, 1000) {
		want(t, s.QueueNotices(t.Context(), part), nil)
	}
	want(t, s.QueueNotices(t.Context(), []state.Notice{notice(crowded), notice(empty)}), nil)
	if n, err := s.WaitingNotices(t.Context(), crowded); err != nil || n != state.MaxNotices {
		t.Errorf("%d notices wait in the full domain", n)
	}
	if n, err := s.WaitingNotices(t.Context(), empty); err != nil || n != 1 {
		t.Errorf("%d notices wait in the other one", n)
	}
}
