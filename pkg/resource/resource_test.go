package resource_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// The database's secrets are sealed by the sealer of the house.
var _ prototree.Sealer = (*secret.Sealer)(nil)

func TestKinds(t *testing.T) {
	kinds := resource.Kinds()
	if want := []string{"domain", "application", "identity_provider"}; !slices.Equal(kinds[:3], want) {
		t.Errorf("kinds begin with %v", kinds)
	}
	seen := map[string]bool{}
	for _, kind := range kinds {
		if seen[kind] {
			t.Errorf("kind %s stands twice", kind)
		}
		seen[kind] = true
		r := resource.New(kind)
		if r == nil {
			t.Fatalf("kind %s has no message with the five fields of a resource", kind)
		}
		if got := resource.KeyOf(r).Kind; got != kind {
			t.Errorf("a new %s has the kind %s", kind, got)
		}
		w := resource.Wrap(r)
		if resource.Unwrap(w) != r {
			t.Errorf("kind %s does not come back out of its wrapping", kind)
		}
		fields := r.ProtoReflect().Descriptor().Fields()
		for i, name := range []string{"id", "domain", "revision", "created_at", "updated_at"} {
			if fd := fields.Get(i); int(fd.Number()) != i+1 || string(fd.Name()) != name {
				t.Errorf("field %d of %s is %s = %d", i, kind, fd.Name(), fd.Number())
			}
		}
	}
	if resource.New("planet") != nil {
		t.Error("there is a planet")
	}
}

func TestWrapWhatIsNoConfiguration(t *testing.T) {
	if w := resource.Wrap(&directoryv1.User{}); w != nil {
		t.Errorf("a user is wrapped as %v", w)
	}
	if r := resource.Unwrap(nil); r != nil {
		t.Errorf("nothing is unwrapped as %v", r)
	}
	if r := resource.Unwrap(&configv1.Resource{}); r != nil {
		t.Errorf("an empty wrapping holds %v", r)
	}
}

func TestKeyOf(t *testing.T) {
	tests := []struct {
		name string
		r    resource.Resource
		want resource.Key
	}{
		{
			"an application belongs to its domain",
			&configv1.Application{Id: "a1", Domain: "d1"}, resource.Key{Kind: "application", Domain: "d1", ID: "a1"},
		},
		{
			"a kind of two words", &configv1.IdentityProvider{Id: "i1", Domain: "d1"},
			resource.Key{Kind: "identity_provider", Domain: "d1", ID: "i1"},
		},
		{
			"a domain names itself", &configv1.Domain{Id: "d1"},
			resource.Key{Kind: "domain", Domain: "d1", ID: "d1"},
		},
		{
			"a user is not configuration and still has a key", &directoryv1.User{Id: "u1", Domain: "d1"},
			resource.Key{Kind: "user", Domain: "d1", ID: "u1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := resource.KeyOf(tt.r)
			if got != tt.want {
				t.Errorf("key is %v, not %v", got, tt.want)
			}
			if back := resource.KeyFromProto(got.Proto()); back != got {
				t.Errorf("the key comes back as %v", back)
			}
			if want := tt.want.Kind + "/" + tt.want.Domain + "/" + tt.want.ID; got.String() != want {
				t.Errorf("the key is printed as %s", got)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	app := &configv1.Application{Name: "shop", Domain: "d1", CreatedAt: timestamppb.New(time.UnixMilli(5))}
	resource.Stamp(app, resource.Stamps{ID: "a1", Revision: 7, UpdatedAt: at})
	want := &configv1.Application{
		Id: "a1", Domain: "d1", Revision: 7, Name: "shop",
		CreatedAt: timestamppb.New(time.UnixMilli(5)), UpdatedAt: timestamppb.New(at.Truncate(time.Millisecond)),
	}
	if diff := cmp.Diff(want, app, protocmp.Transform()); diff != "" {
		t.Errorf("stamped (-want +got):\n%s", diff)
	}
	resource.Stamp(app, resource.Stamps{})
	if !proto.Equal(want, app) {
		t.Error("empty stamps change something")
	}
	for _, kind := range resource.Kinds() {
		r := resource.New(kind)
		resource.Stamp(r, resource.Stamps{ID: "x", Domain: "d", Revision: 1, CreatedAt: at, UpdatedAt: at})
		if r.GetId() != "x" || r.GetDomain() != "d" || r.GetRevision() != 1 || !r.GetCreatedAt().IsValid() || !r.GetUpdatedAt().IsValid() {
			t.Errorf("a stamped %s is %v", kind, r)
		}
	}
}

// TestSealedDocuments runs a resource through the database's dialect with the real sealer.
func TestSealedDocuments(t *testing.T) {
	sealer, err := secret.NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	d := prototree.Document(sealer)
	domain := &configv1.Domain{Id: "d1", Name: "shop", Secret: []byte("rosebud")}
	tree, err := d.Encode(domain)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := tree["secret"].(string); !secret.IsSealed(s) {
		t.Errorf("the secret is stored as %v", tree["secret"])
	}
	var back configv1.Domain
	if err := d.Decode(tree, &back); err != nil || !proto.Equal(domain, &back) {
		t.Errorf("read %v, %v", &back, err)
	}
	tree["_id"] = "d2"
	if err := d.Decode(tree, &back); err == nil {
		t.Error("a secret opens in another resource")
	}
}

func TestRedacted(t *testing.T) {
	user := &directoryv1.User{
		Id: "u1", Username: "ann", Subject: "hidden-subject", PasswordHash: "hidden-hash", Enabled: proto.Bool(false),
	}
	idp := &configv1.IdentityProvider{Name: "Staff", Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{
		Users: []*configv1.InlineUser{{Username: "ann", Password: "hidden-password"}},
	}}}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("saved", "user", resource.Redacted(user), "idp", resource.Redacted(idp), "none", resource.Redacted(nil))
	}
	printed := out.String()
	for _, want := range []string{`"username":"ann"`, `"name":"Staff"`, prototree.Mask, `user.username=ann`, `idp.name=Staff`} {
		if !strings.Contains(printed, want) {
			t.Errorf("the log does not hold %s:\n%s", want, printed)
		}
	}
	if strings.Contains(printed, "hidden") {
		t.Errorf("the log holds a secret:\n%s", printed)
	}
	if line, _, _ := strings.Cut(printed, "\n"); !json.Valid([]byte(line)) {
		t.Errorf("the record is no JSON: %s", line)
	}
}

func TestRedactedWithoutALog(t *testing.T) {
	user := &directoryv1.User{Username: "ann", PasswordHash: "hidden-hash"}
	r := resource.Redacted(user)
	user.Username = "bob"
	printed, ok := r.(interface{ String() string })
	if !ok || !strings.Contains(printed.String(), "bob") {
		t.Errorf("the message is not printed when it is asked for: %v", r)
	}
	if strings.Contains(printed.String(), "hidden") {
		t.Errorf("a secret is printed: %v", r)
	}
	if s := resource.Redacted(&configv1.Application{Type: 99}).LogValue().String(); !strings.HasPrefix(s, "not printable: type must be one of") {
		t.Errorf("a message without an audit form is printed as %s", s)
	}
}
