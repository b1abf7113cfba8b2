package directory_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

// TestMembershipsDoNotComeFromAnImageThatIsBehind: what a replica has not heard of yet is read from the database, at once where
// somebody is in a group that the image does not know, and otherwise as soon as the image is not current.
func TestMembershipsDoNotComeFromAnImageThatIsBehind(t *testing.T) {
	h := newHouse(t)
	h.rest()
	user := h.newUser("mallory")
	group := h.newNamed("/domains/"+h.domain+"/groups", `{"name":"Staff","members":["`+user.GetId()+`"]}`)
	held := image.New() // of a replica whose follower gets no further from here on
	held.Load(held.Begin(), 1, []resource.Resource{&configv1.Group{Id: group, Domain: h.domain, Name: "Staff"}})
	people := directory.New(directory.Options{Store: h.store, Hasher: h.hasher, Image: held})
	member := func() (of []string) {
		t.Helper()
		h.people = people
		got, err := h.client().GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: h.domain, Subject: user.GetSubject()})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range got.GetUser().GetStanding().GetGroups() {
			of = append(of, g.GetName())
		}
		return of
	}
	h.newNamed("/domains/"+h.domain+"/groups", `{"name":"Banned","groups":["`+group+`"]}`) // at another replica
	for held.Current(time.Second) {
		<-time.After(20 * time.Millisecond)
	}
	if got, want := member(), []string{"Banned", "Staff"}; !slices.Equal(got, want) {
		t.Errorf("the image is behind, and a member of %v, want %v", got, want)
	}
	h.newNamed("/domains/"+h.domain+"/groups", `{"name":"Banned directly","members":["`+user.GetId()+`"]}`)
	keepCurrent(t, held)
	if got, want := member(), []string{"Banned", "Banned directly", "Staff"}; !slices.Equal(got, want) {
		t.Errorf("one of the groups is not in the image, and a member of %v, want %v", got, want)
	}
}

// keepCurrent is what a follower does while nothing changes.
func keepCurrent(t *testing.T, held *image.Image) {
	held.Moved()
	ends, every := make(chan struct{}), time.NewTicker(50*time.Millisecond)
	t.Cleanup(func() { close(ends); every.Stop() })
	go func() {
		for {
			select {
			case <-every.C:
				held.Moved()
			case <-ends:
				return
			}
		}
	}()
}
