package catalog

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/launch"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Limits of what people read about an application, in characters.
const (
	maxDescription = 1000
	maxPublisher   = 200
)

// The reasons for which My applications does not show an application.
const (
	becauseHidden      = "hidden"
	becauseDisabled    = "disabled"
	becauseBlank       = "blankLaunchUrl"
	becauseNowhere     = "noLaunchUrl"
	becauseTemplate    = "template"
	slugForm           = "must be 1 to 64 of a-z, 0-9, '-' and '_', and begin and end with a letter or digit"
	slugReserved       = "is reserved"
	slugWithoutLetters = "app"
)

var validSlug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$`)

// ReservedSlugs are names of endpoints, which no application is called in links.
var ReservedSlugs = []string{
	"authorize", "token", "device", "userinfo", "introspect", "revoke", "register", "par", "logout", "login", "consent", "callback",
	"jwks", "launch", "end-session", "session", "new",
}

// show gives a new application what the body of its creation says that people see of it, and with whom they sign in.
func show(a *configv1.Application, in *configv1.NewApplication) {
	if a == nil {
		return
	}
	a.Slug, a.Group, a.Publisher, a.LaunchUrl = in.GetSlug(), in.GetGroup(), in.GetPublisher(), in.GetLaunchUrl()
	a.OpenInNewTab, a.Enabled, a.Hidden, a.Access = in.GetOpenInNewTab(), in.Enabled, in.GetHidden(), proto.CloneOf(in.GetAccess())
	a.ClaimMappings, a.IdentityProviders = in.GetClaimMappings(), in.GetIdentityProviders()
}

// normalizeShown fills in what people see of an application where nothing is said.
func normalizeShown(s *Scene, old, a *configv1.Application) error {
	if IsProvider(a) {
		return nil
	}
	if a.Access == nil {
		a.Access = &configv1.ApplicationAccess{}
	}
	a.Access.Open, a.Access.People = nil, 0 // they follow from the bindings, and are said where somebody reads them
	if a.Access.Mode == configv1.ApplicationAccess_MODE_UNSPECIFIED {
		a.Access.Mode = configv1.ApplicationAccess_ANY
	}
	if a.Access.OnDenied == configv1.ApplicationAccess_ON_DENIED_UNSPECIFIED {
		a.Access.OnDenied = configv1.ApplicationAccess_PAGE
	}
	if a.GetSlug() == "" {
		var err error
		if a.Slug, err = s.slugOf(a); err != nil {
			return err
		}
	}
	a.FormerSlugs = formerSlugs(s.Now, old, a)
	return nil
}

// checkShown refuses what people could not be shown. What was there before may stay.
func checkShown(s *Scene, old, a *configv1.Application) error {
	var all []error
	if err := checkSlug(old.GetSlug(), a.GetSlug()); err != nil {
		all = append(all, err)
	}
	for _, m := range []struct {
		path, was, is string
		most          int
	}{
		{"description", old.GetDescription(), a.GetDescription(), maxDescription},
		{"publisher", old.GetPublisher(), a.GetPublisher(), maxPublisher},
	} {
		if m.is == m.was {
			continue
		}
		if n := utf8.RuneCountInString(m.is); n > m.most {
			all = append(all, broken(m.path, "", fmt.Sprintf("size must be at most %d", m.most)))
		}
		if strings.ContainsFunc(m.is, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) {
			all = append(all, broken(m.path, "", "must not contain control characters"))
		}
	}
	if is := a.GetAccess().GetMessage(); !maps.Equal(is, old.GetAccess().GetMessage()) {
		var f Faults
		checkTold(&f, "access.message", is)
		all = append(all, f.Err())
	}
	if a.GetLaunchUrl() != "" && a.GetLaunchUrl() != old.GetLaunchUrl() {
		if _, err := launch.Parse(a.GetLaunchUrl()); err != nil {
			all = append(all, badLaunchURL(err))
		}
	}
	if err := s.checkHeading(old.GetGroup(), a.GetGroup()); err != nil {
		all = append(all, err)
	}
	if err := s.checkMappings(old.GetClaimMappings(), a.GetClaimMappings()); err != nil {
		all = append(all, err)
	}
	return Together(all...)
}

func checkSlug(old, slug string) error {
	switch {
	case slug == old:
		return nil
	case !validSlug.MatchString(slug):
		return broken("slug", shortened(slug), slugForm)
	case slices.Contains(ReservedSlugs, slug):
		return broken("slug", slug, slugReserved)
	}
	return nil
}

func shortened(s string) string {
	if len(s) > maxSlug {
		return ""
	}
	return s
}

func badLaunchURL(err error) error {
	detail := fault.Detail{Path: "launchUrl", Detail: err.Error()}
	var e *launch.Error
	if errors.As(err, &e) {
		detail.Line, detail.Column = 1, e.Position
	}
	return fault.Invalidf("[launchUrl: %s]", err.Error()).With(detail)
}

// checkHeading refuses a heading that is not there, and offers those whose names are nearest.
func (s *Scene) checkHeading(old, id string) error {
	if id == "" || id == old || slices.ContainsFunc(s.Headings, func(g *configv1.ApplicationGroup) bool { return g.GetId() == id }) {
		return nil
	}
	refusal := dangling("group", "Application group", id)
	if offered := nearest(s.Headings, id); offered != "" {
		refusal = fault.Invalidf("Application group [%s] can not be found. The nearest are %s.", id, offered).
			At("group", "can not be found; the nearest are "+offered)
	}
	return refusal
}

// nearest lists up to three headings by how little has to be changed in their names, or identifiers, to get a text.
func nearest(all []*configv1.ApplicationGroup, text string) string {
	text = strings.ToLower(text)
	if len(text) > 2*maxSlug {
		return ""
	}
	type offer struct {
		text     string
		distance int
	}
	offers := make([]offer, 0, len(all))
	for _, g := range all {
		name := g.GetName() + " (" + g.GetId() + ")"
		offers = append(offers, offer{name, min(distance(strings.ToLower(g.GetName()), text), distance(g.GetId(), text))})
	}
	slices.SortStableFunc(offers, func(a, b offer) int { return a.distance - b.distance })
	texts := make([]string, 0, 3)
	for _, o := range offers[:min(3, len(offers))] {
		texts = append(texts, o.text)
	}
	return strings.Join(texts, ", ")
}

// distance is how many letters have to be added, removed or replaced to make one text of another.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, q := range y {
			cost := 1
			if r == q {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(y)]
}

// visibility says whether My applications shows an application to those who may use it.
func visibility(a *configv1.Application) *configv1.Visibility {
	if IsProvider(a) {
		return nil
	}
	v := &configv1.Visibility{}
	add := func(because string, is bool) {
		if is {
			v.Because = append(v.Because, because)
		}
	}
	add(becauseHidden, a.GetHidden())
	add(becauseDisabled, !a.GetEnabled())
	target, err := launch.Target(a, "")
	blank := target != nil && target.Blank()
	add(becauseBlank, blank)
	add(becauseNowhere, !blank && (target == nil || err != nil))
	add(becauseTemplate, a.GetTemplate())
	v.Shown = len(v.Because) == 0
	return v
}

// VisibilityOf says whether My applications shows an application to those who may use it, and why not; nil for a provider
// without an application.
func VisibilityOf(a *configv1.Application) *configv1.Visibility { return visibility(a) }
