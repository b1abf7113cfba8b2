package rules

import (
	"net/netip"
	"time"

	"github.com/google/cel-go/common/types"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Known is a set of things that are true only for a moment, and that are known in one case and not in another.
type Known uint32

// The members of the moment. What is not known makes an evaluation fail, or [Rule.Partly] name it.
const (
	KnowsTime Known = 1 << iota
	KnowsIP
	KnowsCountry
	KnowsContinent
	KnowsASN
	KnowsUserAgent
	KnowsProtocol
	KnowsScopes
	KnowsResource
	KnowsACR
	KnowsAMR
	KnowsAuthTime
	KnowsIdentityProvider
	KnowsMethod

	// KnowsPlace is what a database of addresses tells.
	KnowsPlace = KnowsCountry | KnowsContinent | KnowsASN
	// KnowsAuth is how somebody signed in.
	KnowsAuth = KnowsACR | KnowsAMR | KnowsAuthTime | KnowsIdentityProvider | KnowsMethod
	// KnowsAll is everything.
	KnowsAll Known = 1<<14 - 1
)

// moments name the members of Known as expressions do.
var moments = []struct {
	bit             Known
	variable, field string
}{
	{KnowsTime, "now", ""},
	{KnowsIP, "request", "ip"}, {KnowsCountry, "request", "country"}, {KnowsContinent, "request", "continent"},
	{KnowsASN, "request", "asn"}, {KnowsUserAgent, "request", "userAgent"}, {KnowsProtocol, "request", "protocol"},
	{KnowsScopes, "request", "scopes"}, {KnowsResource, "request", "resource"},
	{KnowsACR, "auth", "acr"}, {KnowsAMR, "auth", "amr"}, {KnowsAuthTime, "auth", "time"},
	{KnowsIdentityProvider, "auth", "identityProvider"}, {KnowsMethod, "auth", "method"},
}

// Moment is what is true only for a moment: where a request comes from, when, and how somebody signed in. A member counts
// only if its bit is in Known.
type Moment struct {
	Known Known

	Time time.Time
	// IP is the caller's address, seen through trusted proxies; a mapped IPv4 address counts as IPv4.
	IP netip.Addr
	// Country (ISO 3166-1 alpha-2), Continent (two letters) and ASN are blank or 0 where the address has no known place; an
	// expression that reads them fails then.
	Country, Continent string
	ASN                int64
	UserAgent          string
	// Protocol is what the person is to use: "oauth2", "launch", "portal", "ldap".
	Protocol string
	Scopes   []string
	Resource []string

	ACR string
	AMR []string
	// AuthTime is when the person signed in.
	AuthTime         time.Time
	IdentityProvider string
	// Method is how: "password", "federated" and the like.
	Method string
}

// Access is what expressions of [AccessPolicy] and [ClaimMapping] may read. Nothing is converted before it is read, and what takes
// time to find out is found out once, however many expressions read it: it is made for one person and one moment.
type Access struct {
	// User is the person with their standing; nil where unknown.
	User   *directoryv1.User
	App    *App
	Moment *Moment
	// Held gives the entitlements that the person holds here.
	Held func() Holding
	// Elsewhere gives the same for another application of the domain; false if there is none with this slug.
	Elsewhere func(slug string) (Holding, bool)

	read memory
}

// App is an application in the form expressions of [AccessPolicy] and [ClaimMapping] read, made once per configuration.
type App struct{ app, client []any }

// AppFields are the fields of the variables app and client.
type AppFields struct {
	ID, Slug, Name, Group string
	Labels                map[string]string
	ClientID, Type        string
	Scopes                []string
}

// NewApp prepares an application for any number of evaluations. It keeps no reference to what it is given.
func NewApp(f AppFields) *App {
	labels := make(map[string]any, len(f.Labels))
	for k, v := range f.Labels {
		labels[k] = types.String(v)
	}
	return &App{
		app:    []any{types.String(f.ID), types.String(f.Slug), types.String(f.Name), types.String(f.Group), labels},
		client: []any{types.String(f.ClientID), types.String(f.Type), prepareList(f.Scopes)},
	}
}

// The Go types behind the object variables of these places.
type (
	personValue Access
	appValue    App
	callerValue App
	hereValue   Moment
	authValue   Moment
)

// resolve gives the value of a variable.
func (a *Access) resolve(name string) (any, bool) {
	switch name {
	case "user":
		if a.User == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		return (*personValue)(a), true
	case "app", "client":
		if a.App == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		if name == "app" {
			return (*appValue)(a.App), true
		}
		return (*callerValue)(a.App), true
	case "entitlements", "entitlementAttributes":
		if a.Held == nil {
			return types.WrapErr(unknownHere(name)), true
		}
		if name == "entitlements" {
			return a.own().list, true
		}
		return a.merged(a.own()), true
	case entitlementsElsewhere, attributesElsewhere:
		return elsewhere{a, name == entitlementsElsewhere}, true
	}
	m := a.Moment
	if m == nil {
		m = &Moment{}
	}
	switch name {
	case "auth":
		return (*authValue)(m), true
	case "request":
		return (*hereValue)(m), true
	case "now":
		if m.Known&KnowsTime == 0 {
			return types.WrapErr(unknownHere(name)), true
		}
		return m.Time, true
	}
	return nil, false
}

// unplacedError is about an address that no database knows.
type unplacedError struct{ name string }

func (e *unplacedError) Error() string {
	return "the address has no known place, so " + e.name + " is missing"
}

func moment[T any](bit Known, name string, get func(*Moment) T) func(*Moment) (any, error) {
	return func(m *Moment) (any, error) {
		if m.Known&bit == 0 {
			return nil, unknownHere(name)
		}
		return get(m), nil
	}
}

func placed[T comparable](bit Known, name string, get func(*Moment) T) func(*Moment) (any, error) {
	var none T
	return func(m *Moment) (any, error) {
		if m.Known&bit == 0 {
			return nil, unknownHere(name)
		}
		if v := get(m); v != none {
			return v, nil
		}
		return nil, &unplacedError{name}
	}
}

func onHere(get func(*Moment) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) { return get((*Moment)(v.(*hereValue))) }
}

func onAuth(get func(*Moment) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) { return get((*Moment)(v.(*authValue))) }
}

func onUser(get func(*directoryv1.User) any) func(any) (any, error) {
	return func(v any) (any, error) { return get(v.(*personValue).User), nil }
}

func onGroups(which int) func(any) (any, error) {
	return func(v any) (any, error) { return (*Access)(v.(*personValue)).groups(which), nil }
}

// The object variables of access policies and claim mappings.
var (
	personType = &objectType{
		name:  "Person",
		empty: (*personValue)(nil),
		fields: []field{
			{"id", types.StringType, "The technical identifier of the person.", onUser(func(u *directoryv1.User) any { return u.GetId() })},
			{"sub", types.StringType, "What the person is called in tokens.", onUser(func(u *directoryv1.User) any { return u.GetSubject() })},
			{"username", types.StringType, "The name by which the person signs in.",
				onUser(func(u *directoryv1.User) any { return u.GetUsername() })},
			{"name", types.StringType, "The name to show.", onUser(func(u *directoryv1.User) any { return displayName(u) })},
			{"email", types.StringType, "The e-mail address; empty if there is none.",
				onUser(func(u *directoryv1.User) any { return u.GetEmail() })},
			{"emailVerified", types.BoolType, "Whether the address is known to be theirs.",
				onUser(func(u *directoryv1.User) any { return u.GetEmailVerified() })},
			{"active", types.BoolType, "Whether the person can sign in.",
				onUser(func(u *directoryv1.User) any { return u.Enabled == nil || u.GetEnabled() })},
			{"serviceAccount", types.BoolType, "Whether it is a program and not a person; programs have clients of their own here, so " +
				"nobody is.", onUser(func(*directoryv1.User) any { return false })},
			{"groups", texts, "The names of the groups, inherited ones included.", onGroups(groupNames)},
			{"directGroups", texts, "The names of the groups in which the person is directly.", onGroups(directNames)},
			{"groupIds", texts, "The identifiers of the groups, inherited ones included.", onGroups(groupIDs)},
			{"attributes", openMap, "The person's own attributes.",
				onUser(func(u *directoryv1.User) any { return attributes(u.GetAdditionalInformation()) })},
			{"mergedAttributes", openMap, "The attributes of all groups in the order of their names, and the person's own over them.",
				onUser(func(u *directoryv1.User) any {
					if s := u.GetStanding().GetAttributes(); s != nil {
						return attributes(s)
					}
					return attributes(u.GetAdditionalInformation())
				})},
			{"createdAt", types.TimestampType, "When the person was first known.",
				onUser(func(u *directoryv1.User) any { return instant(u.GetCreatedAt()) })},
			{"lastSignIn", types.TimestampType, "When the person signed in last; 1970 if never.",
				onUser(func(u *directoryv1.User) any { return instant(u.GetLoggedAt()) })},
			{"factors", texts, "The second factors that the person has enrolled.",
				onUser(func(*directoryv1.User) any { return []string{} })},
		},
	}
	appType = &objectType{
		name:  "App",
		empty: (*appValue)(nil),
		fields: []field{
			{"id", types.StringType, "The technical identifier of the application.", onApp(0)},
			{"slug", types.StringType, "Its short name in addresses.", onApp(1)},
			{"name", types.StringType, "Its name.", onApp(2)},
			{"group", types.StringType, "The heading under which it is shown; empty if none.", onApp(3)},
			{"labels", types.NewMapType(types.StringType, types.StringType), "What its owner noted about it.", onApp(4)},
		},
	}
	callerType = &objectType{
		name:  "AppClient",
		empty: (*callerValue)(nil),
		fields: []field{
			{"id", types.StringType, "The client_id; empty where the application has none.", onCaller(0)},
			{"type", types.StringType, "The type of the application, such as web.", onCaller(1)},
			{"scopes", texts, "The scopes it may ask for.", onCaller(2)},
		},
	}
	hereType = &objectType{
		name:  "AccessRequest",
		empty: (*hereValue)(nil),
		fields: []field{
			{"ip", types.StringType, "The caller's address, seen through trusted proxies.",
				onHere(moment(KnowsIP, "request.ip", func(m *Moment) string { return m.IP.Unmap().String() }))},
			{"country", types.StringType, "The country of the address, two capital letters; fails where it has no known place.",
				onHere(placed(KnowsCountry, "request.country", func(m *Moment) string { return m.Country }))},
			{"continent", types.StringType, "The continent of the address: AF, AN, AS, EU, NA, OC or SA.",
				onHere(placed(KnowsContinent, "request.continent", func(m *Moment) string { return m.Continent }))},
			{"asn", types.IntType, "The number of the autonomous system of the address.",
				onHere(placed(KnowsASN, "request.asn", func(m *Moment) int64 { return m.ASN }))},
			{"userAgent", types.StringType, "What the browser calls itself.",
				onHere(moment(KnowsUserAgent, "request.userAgent", func(m *Moment) string { return m.UserAgent[:min(len(m.UserAgent), maxAgent)] }))},
			{"protocol", types.StringType, "What is asked for: oauth2, launch or portal.",
				onHere(moment(KnowsProtocol, "request.protocol", func(m *Moment) string { return m.Protocol }))},
			{"scopes", texts, "The scopes that are asked for.",
				onHere(moment(KnowsScopes, "request.scopes", func(m *Moment) []string { return m.Scopes }))},
			{"resource", texts, "The resources that are asked for.",
				onHere(moment(KnowsResource, "request.resource", func(m *Moment) []string { return m.Resource }))},
		},
	}
	authType = &objectType{
		name:  "Authentication",
		empty: (*authValue)(nil),
		fields: []field{
			{"acr", types.StringType, "The authentication context class.",
				onAuth(moment(KnowsACR, "auth.acr", func(m *Moment) string { return m.ACR }))},
			{"amr", texts, "The methods: pwd, otp and the like (RFC 8176).",
				onAuth(moment(KnowsAMR, "auth.amr", func(m *Moment) []string { return m.AMR }))},
			{"time", types.TimestampType, "When the person signed in.",
				onAuth(moment(KnowsAuthTime, "auth.time", func(m *Moment) time.Time { return m.AuthTime }))},
			{"identityProvider", types.StringType, "The identifier of the identity provider.",
				onAuth(moment(KnowsIdentityProvider, "auth.identityProvider", func(m *Moment) string { return m.IdentityProvider }))},
			{"method", types.StringType, "How the person signed in.",
				onAuth(moment(KnowsMethod, "auth.method", func(m *Moment) string { return m.Method }))},
		},
	}
	accessTypes = []*objectType{personType, appType, callerType, hereType, authType, entitlementType}
)

// maxAgent is how much of a user agent expressions see.
const maxAgent = 1024

var accessVariables = map[string]variable{
	"user":                  {personType.celType(), "The person."},
	"app":                   {appType.celType(), "The application."},
	"client":                {callerType.celType(), "Its protocol settings."},
	"entitlements":          {holdings, "The entitlements that the person holds in the application, by name."},
	"entitlementAttributes": {openMap, "Their attributes, merged in the order of their names."},
	"auth":                  {authType.celType(), "How the person signed in."},
	"request":               {hereType.celType(), "The request being served."},
	"now":                   {types.TimestampType, "The moment."},
}

func onApp(i int) func(any) (any, error) {
	return func(v any) (any, error) { return v.(*appValue).app[i], nil }
}

func onCaller(i int) func(any) (any, error) {
	return func(v any) (any, error) { return v.(*callerValue).client[i], nil }
}

func displayName(u *directoryv1.User) string {
	switch {
	case u.GetDisplayName() != "":
		return u.GetDisplayName()
	case u.GetFirstName() == "" || u.GetLastName() == "":
		return u.GetFirstName() + u.GetLastName()
	}
	return u.GetFirstName() + " " + u.GetLastName()
}

func groupsOf(u *directoryv1.User, direct bool, what func(*directoryv1.Standing_Group) string) []string {
	all := u.GetStanding().GetGroups()
	list := make([]string, 0, len(all))
	for _, g := range all {
		if !direct || g.GetDirect() {
			list = append(list, what(g))
		}
	}
	return list
}

func attributes(s *structpb.Struct) any {
	if s == nil {
		return map[string]any{}
	}
	if len(s.GetFields()) > maxGivenEntries {
		return tooManyEntries()
	}
	return s
}

func instant(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Unix(0, 0).UTC()
	}
	return t.AsTime()
}
