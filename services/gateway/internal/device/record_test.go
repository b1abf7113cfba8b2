package device_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// connect lets the television ask, a browser allow it as ann, and the television collect its tokens.
func (r *rig) connect(b *browsertest.Browser) map[string]any {
	r.t.Helper()
	c := r.begin("scope", "openid read")
	wants(r.t, decide(b, r.open(b, c.Complete, "ann"), "true"), "Your device is connected")
	a := r.poll(c)
	if a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return a.JSON(r.t)
}

// refresh tells whether the television can go on.
func (r *rig) refresh(tokens map[string]any) bool {
	r.t.Helper()
	return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "client_id", "tv",
		"refresh_token", tokens["refresh_token"].(string))).Status == http.StatusOK
}

func TestASessionFromBeforeANewPasswordAllowsNothing(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	c := r.begin("scope", "openid read")
	page := r.open(b, c.Complete, "ann")
	subject := gatewaytest.Subject("staff", "ann")
	r.Clock.Forward(31 * time.Second)
	r.Directory.Put(r.domain, &directoryv1.User{
		Id: "user-ann", Domain: r.domain, Subject: subject, Username: "ann", Source: "staff", ExternalId: "ann",
		LastPasswordReset: timestamppb.New(r.Clock.Now()),
	})
	value := b.Cookies["GATEHOUSE_SESSION"]
	res := decide(b, page, "true")
	if !strings.HasPrefix(res.Location(), gatewaytest.PublicURL+"/acme/login?client_id=tv&") {
		t.Errorf("status %d, location %q\n%s", res.StatusCode, res.Location(), res.Text)
	}
	if got := b.Cookies["GATEHOUSE_SESSION"]; got == value {
		t.Error("the browser keeps its session")
	}
	if got := r.poll(c).Error(t); !strings.HasPrefix(got, "Bad Request | authorization_pending") {
		t.Errorf("answer %s", got)
	}
	wants(t, decide(b, r.open(b, c.Complete, "ann"), "true"), "Your device is connected")
}

func TestLogoutEndsWhatDevicesWereAllowed(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	tokens := r.connect(b)
	if !r.refresh(r.connect(b)) {
		t.Fatal("the refresh token does not work")
	}
	page := b.Get("/logout")
	if strings.Contains(page.Text, `id="logout-confirm"`) {
		f := b.Form(page)
		page = b.Post(f.Action, f.Values)
	}
	wants(t, b.Follow(page), "https://tv.example/out")
	if r.refresh(tokens) {
		t.Error("the device goes on")
	}
}

func TestPeopleWithdrawWhatDevicesWereAllowed(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	t.Run("denying records nothing", func(t *testing.T) {
		decide(b, r.open(b, r.begin("scope", "openid read").Complete, "ann"), "false")
		if got := r.consents(t); len(got) != 0 {
			t.Errorf("consents %v", got)
		}
	})
	tokens := r.connect(b)
	for _, c := range r.consents(t) {
		if left := c.GetExpiresAt().AsTime().Sub(r.Clock.Now()); !c.GetApproved() || left != 30*24*time.Hour {
			t.Errorf("consent %v for %s", c, left)
		}
	}
	if n := len(r.consents(t)); n != 2 {
		t.Errorf("%d consents", n)
	}
	r.Clock.Forward(time.Second)
	page := b.Get("/account/applications")
	wants(t, page, "Living room tv", "read")
	f := b.Form(page)
	if res := b.Post(f.Action, f.Values); res.StatusCode != http.StatusFound {
		t.Fatalf("status %d\n%s", res.StatusCode, res.Text)
	}
	if r.refresh(tokens) || len(r.consents(t)) != 0 {
		t.Errorf("the device goes on; consents %v", r.consents(t))
	}
	t.Run("nothing is allowed that cannot be recorded", func(t *testing.T) {
		c := r.begin("scope", "openid read")
		page := r.open(b, c.Complete, "ann")
		r.Directory.Away(fault.Unavailablef("management is away"))
		if res := decide(b, page, "true"); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d\n%s", res.StatusCode, res.Text)
		}
		r.Directory.Away(nil)
		if got := r.poll(c).Error(t); !strings.HasPrefix(got, "Bad Request | authorization_pending") {
			t.Errorf("answer %s", got)
		}
	})
}

func (r *rig) consents(t *testing.T) []*directoryv1.Consent {
	t.Helper()
	list, err := r.Directory.Consents(t.Context(), r.domain, "user-ann", "tv")
	if err != nil {
		t.Fatal(err)
	}
	return list
}
