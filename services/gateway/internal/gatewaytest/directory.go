package gatewaytest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/subject"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Directory keeps the people of all domains in memory, as management does in its database.
type Directory struct {
	mu       sync.Mutex
	users    map[string]*directoryv1.User      // by domain and subject
	consents map[string][]*directoryv1.Consent // by domain, user and client
	away     error
	calls    int
	accounts accounts
	// now is the clock of the harness it belongs to.
	now func() time.Time
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	return &Directory{
		users: map[string]*directoryv1.User{}, consents: map[string][]*directoryv1.Consent{}, now: time.Now,
		accounts: accounts{passwords: map[string]string{}, tickets: map[string]*ticket{}},
	}
}

// Subject is the subject of a person of a provider.
func Subject(source, externalID string) string { return subject.Of(source, externalID) }

// Away makes every call fail with an error, until it is nil.
func (d *Directory) Away(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = err
}

// Calls returns how often the directory was asked.
func (d *Directory) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Put stores a user.
func (d *Directory) Put(domain string, u *directoryv1.User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[domain+"/"+u.GetSubject()] = u
}

// Join makes somebody whom `staff` knows a member of groups, whose names are their identifiers, and of no others.
func (d *Directory) Join(domain, name string, groups ...string) {
	if _, err := d.SignIn(context.Background(), domain, "", Identity(name)); err != nil {
		panic(err) // a test does so where it has disabled them
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	u := proto.CloneOf(d.users[domain+"/"+Subject("staff", name)])
	u.Standing = &directoryv1.Standing{}
	for _, g := range groups {
		u.Standing.Groups = append(u.Standing.Groups, &directoryv1.Standing_Group{Id: g, Name: g, Direct: true})
	}
	d.users[domain+"/"+u.GetSubject()] = u
}

// Remove forgets a user.
func (d *Directory) Remove(domain, subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.users, domain+"/"+subject)
}

// SignIn links an identity to a user, who is made on first sight.
func (d *Directory) SignIn(_ context.Context, domain, _ string, identity *directoryv1.Identity) (*directoryv1.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return nil, d.away
	}
	name := Subject(identity.GetSource(), identity.GetExternalId())
	u := d.users[domain+"/"+name]
	if u == nil {
		u = &directoryv1.User{
			Id: "user-" + identity.GetExternalId(), Domain: domain, Username: identity.GetUsername(), Source: identity.GetSource(),
			ExternalId: identity.GetExternalId(), Email: identity.GetEmail(), FirstName: identity.GetFirstName(),
			LastName: identity.GetLastName(), Subject: name,
		}
		d.users[domain+"/"+name] = u
	}
	if u.Enabled != nil && !u.GetEnabled() {
		return nil, fault.Deniedf("the account is disabled")
	}
	return proto.CloneOf(u), nil
}

// User returns a user by subject.
func (d *Directory) User(ctx context.Context, domain, subject string) (*directoryv1.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return nil, d.away
	}
	u := d.users[domain+"/"+subject]
	if u == nil {
		return nil, fault.NotFoundf("user %q", subject)
	}
	return proto.CloneOf(u), ctx.Err()
}

// Consents returns what a user decided for a client.
func (d *Directory) Consents(_ context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return nil, d.away
	}
	return slices.Clone(d.consents[domain+"/"+user+"/"+clientID]), nil
}

// SaveConsents records decisions; one per scope, the newest counts.
func (d *Directory) SaveConsents(_ context.Context, domain, user, clientID string, consents []*directoryv1.Consent) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return d.away
	}
	key := domain + "/" + user + "/" + clientID
	for _, c := range consents {
		d.consents[key] = append(slices.DeleteFunc(d.consents[key], func(old *directoryv1.Consent) bool {
			return old.GetScope() == c.GetScope()
		}), c)
	}
	return nil
}

// Authenticate knows the people that Person added or who registered, and those whose password is Password and whose name begins
// with the name of the provider.
func (d *Directory) Authenticate(_ context.Context, domain, source, username, password string) (*directoryv1.Identity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	known, own := d.accounts.passwords[domain+"/"+source+"/"+username]
	switch {
	case d.away != nil:
		return nil, d.away
	case own && known == password:
		u := d.users[domain+"/"+Subject(source, username)]
		if u.Enabled != nil && !u.GetEnabled() {
			return nil, fault.Deniedf("the account is disabled")
		}
	case !strings.HasPrefix(username, source) || password != Password:
		return nil, fault.Unauthenticatedf("wrong credentials")
	}
	return &directoryv1.Identity{Source: source, ExternalId: username, Username: username}, nil
}

// Identity is what the provider `staff` asserts about a person.
func Identity(name string) *directoryv1.Identity {
	return &directoryv1.Identity{
		Source: "staff", ExternalId: name, Username: name, Email: name + "@acme.example", FirstName: name, LastName: "Doe",
	}
}
