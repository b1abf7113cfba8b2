package store

import (
	"testing"
	"time"
)

// A process that dies after it took a place leaves it for a while.
func TestAPlaceThatNobodyGivesBackIsFreeAfterAWhile(t *testing.T) {
	now := time.Now()
	s := fresh(t, func(o *Options) { o.Now = func() time.Time { return now } })
	take := func(application string, want bool) {
		t.Helper()
		if got, err := s.RegistrationSeats().Take(t.Context(), "d", 1, application, 1); err != nil || got != want {
			t.Errorf("place of %s: %v, %v, want %v", application, got, err, want)
		}
	}
	take("dead", true)
	take("other", false)
	take("dead", true) // whoever goes on with it has its place
	now = now.Add(seatTime + time.Second)
	take("other", true)
	if err := s.RegistrationSeats().Settle(t.Context(), "d", "other", false); err != nil {
		t.Fatal(err)
	}
	take("third", true)
}
