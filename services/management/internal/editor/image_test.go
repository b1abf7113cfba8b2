package editor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/distribution"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

// replica is another editor on the database of r, with an image that is followed, or that stands still.
func (r *rig) replica(followed bool) *rig {
	r.t.Helper()
	other := rigOn(r.t, r.options)
	other.opts.Image = image.New()
	ctx, cancel := context.WithCancel(r.ctx)
	loaded, ended := make(chan struct{}), make(chan error, 1)
	ready := sync.OnceFunc(func() {
		close(loaded)
		if !followed {
			cancel()
		}
	})
	d := distribution.New(distribution.Options{
		Store: other.store, Image: other.opts.Image, Loaded: func(int64) { ready() },
		Publisher: configsync.NewPublisher(configsync.PublisherOptions{}),
	})
	go func() { ended <- d.Run(ctx) }()
	<-loaded
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	if !followed {
		stop()
	}
	r.t.Cleanup(stop)
	return other
}

func (r *rig) names(at Place, q image.Query) []string {
	r.t.Helper()
	found, total, err := ReadAll(r.ctx, r.Editor, catalog.Applications, at, q)
	if err != nil {
		r.t.Fatal(err)
	}
	names := []string{}
	for _, a := range found {
		names = append(names, a.GetName())
	}
	if q.Size == 0 && total != int64(len(found)) {
		r.t.Errorf("total %d of %q", total, names)
	}
	return names
}

// TestListsHaveWhatThisProcessWrote: many write at once, and each finds its own in the next list.
func TestListsHaveWhatThisProcessWrote(t *testing.T) {
	r := newRig(t).replica(true)
	_, at := r.domain("lists")
	var racers sync.WaitGroup
	for racer := range 8 {
		racers.Go(func() {
			for round := range 6 {
				name := fmt.Sprintf("Racer %d round %d", racer, round)
				search := image.Query{Search: fmt.Sprintf("racer %d *", racer), Size: 10}
				a, _, err := Create(r.ctx, r.Editor, catalog.Applications, at, prototree.Object{"name": name, "type": "service"})
				if err != nil {
					t.Error(err)
					return
				}
				if got := r.names(at, search); !slices.Equal(got, []string{name}) {
					t.Errorf("after its creation %s finds %q", name, got)
				}
				if _, err := Patch(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), prototree.Object{"name": name + " again"}, 0); err != nil {
					t.Error(err)
				}
				if got := r.names(at, search); !slices.Equal(got, []string{name + " again"}) {
					t.Errorf("after its change %s finds %q", name, got)
				}
				if _, err := Delete(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), 0); err != nil {
					t.Error(err)
				}
				if got := r.names(at, search); len(got) > 0 {
					t.Errorf("after its deletion %s finds %q", name, got)
				}
			}
		})
	}
	racers.Wait()
}

// TestAClientIsFoundAsNewAsItIsAskedFor: from memory where that is new enough, otherwise in the database.
func TestAClientIsFoundAsNewAsItIsAskedFor(t *testing.T) {
	writer := newRig(t).replica(true)
	_, at := writer.domain("clients")
	a, _ := writer.application(at, webApplication)
	clientID := catalog.ClientID(a)
	reader := writer.replica(false) // its image stands still
	changed, err := Patch(t.Context(), writer.Editor, catalog.Applications, at, a.GetId(), prototree.Object{"name": "Changed"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := writer.application(at, `{"name": "Other", "type": "service"}`)
	find := func(clientID string, revision int64) string {
		found, err := reader.FindClientSince(t.Context(), at.Domain, clientID, revision)
		if err != nil {
			return err.Error()
		}
		return found.GetName()
	}
	v, _ := reader.opts.Image.View()
	for _, tt := range []struct {
		name     string
		clientID string
		revision int64
		want     string
	}{
		{"an older state is enough", clientID, v.Revision, "Web"},
		{"a newer one is asked for", clientID, changed.GetRevision(), "Changed"},
		{"the newest one is asked for", clientID, 0, "Changed"},
		{"the image has never heard of it", catalog.ClientID(other), 1, "Other"},
		{"nobody has", "nobody", 1, "Application [nobody] can not be found."},
	} {
		if got := find(tt.clientID, tt.revision); got != tt.want {
			t.Errorf("%s: found %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, err := Delete(t.Context(), writer.Editor, catalog.Applications, at, a.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	if got := find(clientID, 0); got != "Application ["+clientID+"] can not be found." {
		t.Errorf("a deleted client is found: %q", got)
	}
}

func TestListsHaveWhatOtherReplicasWrote(t *testing.T) {
	one := newRig(t).replica(true)
	other := one.replica(true)
	d, at := one.domain("shared")
	// A domain that another replica has just made is not unknown here.
	other.names(at, image.Query{})
	a, _ := one.application(at, webApplication)
	if err := other.opts.Image.Wait(t.Context(), a.GetRevision()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Web"}, other.names(at, image.Query{})); diff != "" {
		t.Errorf("the other replica lists (-want +got):\n%s", diff)
	}
	revision, err := Delete(t.Context(), other.Editor, catalog.Applications, at, a.GetId(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.opts.Image.Wait(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
	if got := one.names(at, image.Query{}); len(got) > 0 {
		t.Errorf("the first replica lists %q", got)
	}
	domains, total, err := ReadAll(t.Context(), other.Editor, catalog.Domains, here, image.Query{Search: "SHA*"})
	if err != nil || total != 1 || domains[0].GetId() != d.GetId() {
		t.Errorf("domains %v, %v", domains, err)
	}
	elsewhere := Place{Organization: "DEFAULT", Environment: "other"}
	if _, total, err := ReadAll(t.Context(), other.Editor, catalog.Domains, elsewhere, image.Query{}); err != nil || total != 0 {
		t.Errorf("another environment has %d domains, %v", total, err)
	}
	elsewhere.Domain = d.GetId()
	if _, _, err := ReadAll(t.Context(), other.Editor, catalog.Applications, elsewhere, image.Query{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("applications of a domain of another environment: %v", err)
	}
}

func TestListsSelect(t *testing.T) {
	plain := newRig(t)
	r := plain.replica(true)
	_, at := r.domain("selection")
	for _, name := range []string{"b", "a", "C"} {
		r.application(at, `{"name": "`+name+`", "type": "service"}`)
	}
	all, _, err := ReadAll(t.Context(), r.Editor, catalog.Applications, at, image.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*rig{r, plain} { // an editor without an image asks the database
		for _, tt := range []struct {
			name string
			q    image.Query
			want []string
		}{
			{"all, by name in any case", image.Query{}, []string{"a", "b", "C"}},
			{"a page", image.Query{Page: 1, Size: 2}, []string{"C"}},
			{"a search", image.Query{Search: "c"}, []string{"C"}},
			{"what somebody may see", image.Query{Only: map[string]bool{all[1].GetId(): true}}, []string{"b"}},
			{"somebody who may see nothing", image.Query{Only: map[string]bool{}}, []string{}},
			{"a condition", image.Query{Where: func(r resource.Resource) bool { return r.(*configv1.Application).GetName() != "a" }}, []string{"b", "C"}},
		} {
			if diff := cmp.Diff(tt.want, e.names(at, tt.q)); diff != "" {
				t.Errorf("%s, with an image %v (-want +got):\n%s", tt.name, e == r, diff)
			}
		}
	}
}

func TestListsWaitForTheImage(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("early")
	r.opts.Image = image.New()
	_, _, err := ReadAll(t.Context(), r.Editor, catalog.Applications, at, image.Query{})
	refused(t, "a list before the image is loaded", err, fault.Unavailable, "The service is starting. Try again later")
	r.application(at, webApplication) // everything else asks the database
}

// TestScenesOfTheImageDoNotRefuse: what another replica has just made is known before a change is refused for its absence.
func TestScenesOfTheImageDoNotRefuse(t *testing.T) {
	one := newRig(t)
	_, at := one.domain("scene")
	a, _ := one.application(at, webApplication)
	behind := one.replica(false)
	scope, _, err := Create(t.Context(), one.Editor, catalog.Scopes, at, one.tree(`{"key": "new", "name": "New", "description": "new"}`))
	if err != nil {
		t.Fatal(err)
	}
	behind.opts.Image.Moved() // nothing says that it is behind
	change := `{"settings": {"oauth": {"scopeSettings": [{"scope": "%s"}]}}}`
	changed, err := behind.patch(at, a.GetId(), fmt.Sprintf(change, scope.GetKey()))
	if err != nil || len(changed.GetSettings().GetOauth().GetScopeSettings()) != 1 {
		t.Errorf("a scope that is a moment old: %v", err)
	}
	if _, err := behind.patch(at, a.GetId(), fmt.Sprintf(change, "nobody")); !fault.Is(err, fault.Invalid) {
		t.Errorf("a scope that does not exist: %v", err)
	}
}

// TestDeletionsAreGuardedByAllThatWasAnnounced: the guard sees what another replica wrote before.
func TestDeletionsAreGuardedByAllThatWasAnnounced(t *testing.T) {
	one := newRig(t).replica(true)
	_, at := one.domain("guard")
	a, _ := one.application(at, webApplication)
	followed, behind := one.replica(true), one.replica(false)
	provider := func(name string) string {
		p, _, err := Create(t.Context(), one.Editor, catalog.IdentityProviders, at,
			one.tree(`{"name": "`+name+`", "type": "inline-am-idp", "configuration": {"users": []}}`))
		if err != nil {
			t.Fatal(err)
		}
		return p.GetId()
	}
	for name, other := range map[string]*rig{"a replica that follows": followed, "a replica that cannot follow": behind} {
		id := provider(name)
		if _, err := one.patch(at, a.GetId(), `{"identityProviders": [{"identity": "`+id+`"}]}`); err != nil {
			t.Fatal(err)
		}
		_, err := Delete(t.Context(), other.Editor, catalog.IdentityProviders, at, id, 0)
		refused(t, name, err, fault.Invalid, "You can't delete an identity provider with existing clients.")
		if _, err := one.patch(at, a.GetId(), `{"identityProviders": []}`); err != nil {
			t.Fatal(err)
		}
		if _, err := Delete(t.Context(), other.Editor, catalog.IdentityProviders, at, id, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// References that go with what they name are found as well.
	if _, _, err := Create(t.Context(), one.Editor, catalog.Scopes, at, one.tree(`{"key": "gone", "name": "Gone", "description": "gone"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := one.patch(at, a.GetId(), `{"settings": {"oauth": {"scopeSettings": [{"scope": "gone"}]}}}`); err != nil {
		t.Fatal(err)
	}
	scopes, _, err := ReadAll(t.Context(), one.Editor, catalog.Scopes, at, image.Query{Search: "gone"})
	if err != nil || len(scopes) != 1 {
		t.Fatal(scopes, err)
	}
	if _, err := Delete(t.Context(), followed.Editor, catalog.Scopes, at, scopes[0].GetId(), 0); err != nil {
		t.Fatal(err)
	}
	left, err := Read(t.Context(), one.Editor, catalog.Applications, at, a.GetId())
	if err != nil || len(left.GetSettings().GetOauth().GetScopeSettings()) > 0 {
		t.Errorf("the application keeps %v, %v", left.GetSettings().GetOauth().GetScopeSettings(), err)
	}
}

// TestImageIsTheDatabase: after changes of every sort on two replicas at once, both images hold what the database does,
// bit by bit. So nobody has changed what they share either.
func TestImageIsTheDatabase(t *testing.T) {
	one := newRig(t).replica(true)
	replicas := []*rig{one, one.replica(true)}
	_, at := one.domain("everything")
	var writers sync.WaitGroup
	for n, r := range replicas {
		writers.Go(func() {
			for i := range 8 {
				a, _, err := Create(r.ctx, r.Editor, catalog.Applications, at, prototree.Object{
					"name": fmt.Sprint("App ", n, i), "type": "web", "redirectUris": []any{"https://a.example/cb"},
				})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = Patch(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), r.tree(`{"settings": {"oauth": {"accessTokenSigningAlg": "ES256"}}}`), 0)
				if err != nil {
					t.Error(err)
				}
				if _, _, err := r.AddSecret(r.ctx, at, a.GetId(), "second"); err != nil {
					t.Error(err)
				}
				if i%3 == 0 {
					if _, err := Delete(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), 0); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	stored, err := one.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byKey := func(a, b resource.Resource) int {
		return strings.Compare(resource.KeyOf(a).String(), resource.KeyOf(b).String())
	}
	slices.SortFunc(stored.Resources, byKey)
	for n, r := range replicas {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("the image does not arrive"))
		if err := r.opts.Image.Wait(ctx, stored.Revision); err != nil {
			t.Fatal(err)
		}
		cancel()
		v, _ := r.opts.Image.View()
		held := slices.SortedFunc(v.All(), byKey)
		if diff := cmp.Diff(stored.Resources, held, protocmp.Transform()); diff != "" {
			t.Errorf("image of replica %d (-database +image):\n%s", n, diff)
		}
	}
}
