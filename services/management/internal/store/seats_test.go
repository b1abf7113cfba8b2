package store

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
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
	take("other", false)
	take("dead", true) // whoever goes on with it has its place
	now = now.Add(seatTime + time.Second)
	take("other", true)
	if err := s.RegistrationSeats().Settle(t.Context(), "d", "other", false); err != nil {
		t.Fatal(err)
	}
	take("third", true)
}

// A domain that is full is not counted again for each registration that it refuses.
func TestAFullDomainIsCountedOnceInAWhile(t *testing.T) {
	now := time.Now()
	s := fresh(t, func(o *Options) { o.Now = func() time.Time { return now } })
	a := &configv1.Application{Id: secret.NewID(), Domain: "d", Name: "Client", Settings: &configv1.ApplicationSettings{
		Oauth: &configv1.OAuthSettings{ClientId: "c", ClientIdIssuedAt: timestamppb.New(now)},
	}}
	create(t, s, a)
	take := func(when string, want bool) {
		t.Helper()
		if got, err := s.RegistrationSeats().Take(t.Context(), "d", 1, "other", 1); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", when, got, err, want)
		}
	}
	take("while it is full", false)
	if _, err := s.db.Collection("applications").DeleteMany(t.Context(), bson.M{}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(fullFor - time.Millisecond)
	take("before it is counted again", false)
	now = now.Add(time.Millisecond)
	take("after a while", true)
}
