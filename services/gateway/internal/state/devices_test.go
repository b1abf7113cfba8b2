package state_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestDevice(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		a := allowed()
		a.Grant = secret.NewToken()[:22]
		request := state.DeviceRequest{Domain: a.Domain, ApplicationID: "tv", ClientID: "tv", Scopes: a.Scopes}
		begin := func() (device, user string) {
			device, user, err := s.NewDevice(t.Context(), request, 10*time.Minute, 5*time.Second)
			want(t, err, nil)
			return device, user
		}
		poll := func(device string, wanted error) state.Authorization {
			t.Helper()
			got, err := s.PollDevice(t.Context(), a.Domain, "tv", device)
			want(t, err, wanted)
			return got
		}
		find := func(user string) state.PendingDevice {
			t.Helper()
			p, err := s.Device(t.Context(), a.Domain, user)
			want(t, err, nil)
			return p
		}
		t.Run("is found by its user code, in its domain, until somebody decides", func(t *testing.T) {
			device, user := begin()
			p := find(user)
			if diff := cmp.Diff(request, p.DeviceRequest); diff != "" {
				t.Error(diff)
			}
			_, err := s.Device(t.Context(), "elsewhere", user)
			want(t, err, state.ErrUnknown)
			poll(device, state.ErrPending)
			want(t, s.DecideDevice(t.Context(), p, &a), nil)
			_, err = s.Device(t.Context(), a.Domain, user)
			want(t, err, state.ErrUnknown)
			want(t, s.DecideDevice(t.Context(), p, nil), state.ErrUnknown)
			if got := poll(device, nil); got.Person.Subject != a.Person.Subject || got.Created != clock.Now().UnixMilli() {
				t.Errorf("authorization %+v", got)
			}
			poll(device, state.ErrUnknown)
		})
		t.Run("is its application's alone", func(t *testing.T) {
			device, user := begin()
			want(t, s.DecideDevice(t.Context(), find(user), &a), nil)
			_, err := s.PollDevice(t.Context(), a.Domain, "other", device)
			want(t, err, state.ErrForeign)
			_, err = s.PollDevice(t.Context(), "elsewhere", "tv", device)
			want(t, err, state.ErrForeign)
			poll(device, nil)
		})
		t.Run("is decided by one of many, and collected by one of many", func(t *testing.T) {
			device, user := begin()
			p := find(user)
			race := func(do func(i int) error, others error) {
				t.Helper()
				results := make([]error, 32)
				var wg sync.WaitGroup
				for i := range results {
					wg.Go(func() { results[i] = do(i) })
				}
				wg.Wait()
				won := 0
				for _, err := range results {
					if err == nil {
						won++
					} else if !errors.Is(err, others) {
						t.Errorf("error %v", err)
					}
				}
				if won != 1 {
					t.Errorf("%d succeeded", won)
				}
			}
			race(func(i int) error {
				mine := a
				mine.ACR = string(rune('a' + i))
				return s.DecideDevice(t.Context(), p, &mine)
			}, state.ErrUnknown)
			race(func(int) error {
				_, err := s.PollDevice(t.Context(), a.Domain, "tv", device)
				return err
			}, state.ErrUnknown)
		})
		t.Run("expires", func(t *testing.T) {
			device, user := begin()
			p := find(user)
			clock.Forward(10 * time.Minute)
			_, err := s.Device(t.Context(), a.Domain, user)
			want(t, err, state.ErrUnknown)
			want(t, s.DecideDevice(t.Context(), p, &a), state.ErrUnknown)
			poll(device, state.ErrExpired)
		})
		t.Run("an authorization without a grant is refused", func(t *testing.T) {
			_, user := begin()
			if err := s.DecideDevice(t.Context(), find(user), &state.Authorization{}); err == nil {
				t.Error("it was kept")
			}
		})
	})
}

func TestReadUserCode(t *testing.T) {
	for _, tt := range [][2]string{
		{"BCDF-GHJK", "BCDFGHJK"}, {"bcdfghjk", "BCDFGHJK"}, {" bcdf ghjk ", "BCDFGHJK"}, {"BCDF–GHJK", "BCDFGHJK"},
		{"BCDF-GHJ", ""}, {"BCDF-GHJKL", ""}, {"ABCD-EFGH", ""}, {"BCDF-GHJ1", ""}, {"", ""}, {"ſſſſſſſſ", ""},
	} {
		typed, wanted := tt[0], tt[1]
		got, ok := state.ReadUserCode(typed)
		if ok != (wanted != "") || ok && got != wanted {
			t.Errorf("%q is read as %q, %t", typed, got, ok)
		}
		if ok && state.ShowUserCode(got) != "BCDF-GHJK" {
			t.Errorf("%q is shown as %q", got, state.ShowUserCode(got))
		}
	}
}

// TestUserCodesFavourNoLetter: 40 000 letters, 2000 of each on average, within six standard deviations.
func TestUserCodesFavourNoLetter(t *testing.T) {
	count := map[byte]int{}
	for range 5000 {
		for _, c := range []byte(state.NewUserCode()) {
			count[c]++
		}
	}
	for c, n := range count {
		if n < 1740 || n > 2260 {
			t.Errorf("%c stands there %d times", c, n)
		}
	}
	if len(count) != 20 {
		t.Errorf("%d letters", len(count))
	}
}

func FuzzReadUserCode(f *testing.F) {
	f.Add("BCDF-GHJK")
	f.Add("é-\xff")
	f.Fuzz(func(t *testing.T, typed string) {
		if code, ok := state.ReadUserCode(typed); ok {
			if again, still := state.ReadUserCode(state.ShowUserCode(code)); !still || again != code {
				t.Errorf("%q is %q and then %q", typed, code, again)
			}
		}
	})
}
