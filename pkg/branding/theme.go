package branding

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Theme is the look of pages. It is immutable.
type Theme struct {
	// CSS sets the variables that differ from the product's own, for light and for dark screens; empty if none do. It holds nothing
	// but colours, lengths and names of fonts. Hash is its source expression in a policy: 'sha256-…'.
	CSS, Hash string
	// Name is shown in place of the domain's; may be empty.
	Name string
	// Logo, LogoDark and Favicon are where the pictures are fetched from; empty if there are none.
	Logo, LogoDark, Favicon string
	// SupportEmail, SupportURI and Links are shown at the foot.
	SupportEmail, SupportURI string
	Links                    []Link
}

// Link is a link at the foot of pages.
type Link struct{ Label, URI string }

// The contrasts of WCAG 2.2 AA.
const (
	forText     = 4.5 // 1.4.3
	forControls = 3   // 1.4.11
)

// The radius of corners in CSS pixels.
const (
	defaultRadius = 10
	maxRadius     = 24
)

var fonts = map[configv1.Branding_Font]string{
	configv1.Branding_SERIF:     `Charter, "Bitstream Charter", Georgia, Cambria, "Liberation Serif", serif`,
	configv1.Branding_ROUNDED:   `ui-rounded, "SF Pro Rounded", "Hiragino Maru Gothic ProN", Quicksand, Comfortaa, Manjari, "Arial Rounded MT Bold", Calibri, sans-serif`,
	configv1.Branding_MONOSPACE: `ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace`,
}

// Compile returns the look of an application's pages, member by member the application's or else the domain's; nil where neither
// says anything. What Check would refuse is left out.
func Compile(domain, application *configv1.Branding) *Theme {
	if domain == nil && application == nil {
		return nil
	}
	either := func(get func(*configv1.Branding) string) string {
		if v := get(application); v != "" {
			return v
		}
		return get(domain)
	}
	t := &Theme{
		Name: either((*configv1.Branding).GetDisplayName), SupportEmail: either((*configv1.Branding).GetSupportEmail),
		Logo: web(either((*configv1.Branding).GetLogoUri)), LogoDark: web(either((*configv1.Branding).GetLogoDarkUri)),
		Favicon: web(either((*configv1.Branding).GetFaviconUri)), SupportURI: web(either((*configv1.Branding).GetSupportUri)),
	}
	if application.GetLogoUri() != "" && application.GetLogoDarkUri() == "" {
		t.LogoDark = "" // the domain's would stand in for the application's on dark screens
	}
	links := application.GetLinks()
	if len(links) == 0 {
		links = domain.GetLinks()
	}
	for _, l := range links {
		if web(l.GetUri()) != "" && l.GetLabel() != "" {
			t.Links = append(t.Links, Link{l.GetLabel(), l.GetUri()})
		}
	}
	s := sheet{}
	s.primary, s.hasPrimary = parse(either((*configv1.Branding).GetPrimaryColor))
	s.background, s.hasBackground = parse(either((*configv1.Branding).GetBackgroundColor))
	s.radius = defaultRadius
	for _, b := range []*configv1.Branding{domain, application} {
		if r := b.GetCornerRadius(); b != nil && b.CornerRadius != nil && r >= 0 && r <= maxRadius {
			s.radius = r
		}
		if f := b.GetFont(); f != configv1.Branding_FONT_UNSPECIFIED {
			s.font = fonts[f]
		}
	}
	if t.CSS = s.write(); t.CSS != "" {
		sum := sha256.Sum256([]byte(t.CSS))
		t.Hash = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return t
}

// sheet is what a style sheet is made from.
type sheet struct {
	primary, background       color
	hasPrimary, hasBackground bool
	radius                    int32
	font                      string
}

// variable is a variable of the product's own style sheet.
type variable struct {
	name  string
	value color
}

func (s sheet) write() string {
	var root, dark strings.Builder
	if s.radius != defaultRadius {
		fmt.Fprintf(&root, "--radius:%dpx;", s.radius)
	}
	if s.font != "" {
		fmt.Fprintf(&root, "--font:%s;", s.font)
	}
	for _, v := range s.light() {
		fmt.Fprintf(&root, "--%s:%s;", v.name, v.value)
	}
	for _, v := range s.dark() {
		fmt.Fprintf(&dark, "--%s:%s;", v.name, v.value)
	}
	out := ""
	if root.Len() > 0 {
		out = ":root{" + root.String() + "}"
	}
	if dark.Len() > 0 {
		out += "@media (prefers-color-scheme:dark){:root{" + dark.String() + "}}"
	}
	return out
}

// The colours of the product's own style sheet that others are measured against.
var (
	lightPage, lightCard = hex("#eef1f6"), white
	darkPage, darkCard   = hex("#0f131b"), hex("#191f2b")
	darkText             = hex("#eef1f7")
)

// light is what differs on light screens.
func (s sheet) light() []variable {
	var all []variable
	page := lightPage
	if s.hasBackground {
		page = s.background
		text := ink.against(forText, away(page), page)
		all = append(all, variable{"page", page}, variable{"page-text", text}, variable{"page-soft", hex("#555f72").against(forText, away(page), page)})
	}
	primary := s.primary
	if !s.hasPrimary {
		primary = hex("#3346c4")
	}
	if s.hasPrimary {
		accent := primary.against(forControls, black, lightCard)
		all = append(all, colored(accent, lightCard, black)...)
	}
	if s.hasPrimary || s.hasBackground {
		all = append(all, variable{"page-link", primary.against(forText, away(page), page)})
	}
	return all
}

// dark is what differs on dark screens.
func (s sheet) dark() []variable {
	var all []variable
	page, card := darkPage, darkCard
	if s.hasBackground {
		page = s.background
		for i := 0; page.luminance() > 0.012 && i < 64; i++ {
			page = page.mixed(black, 0.08)
		}
		card = page.mixed(white, 0.06)
		soft := hex("#a7b1c4").against(forText, white, page, card)
		all = append(all,
			variable{"page", page}, variable{"card", card}, variable{"edge", page.mixed(white, 0.2)}, variable{"field", hex("#78849b").against(forControls, white, card)},
			variable{"text", darkText.against(forText, white, card)}, variable{"soft", soft},
			variable{"page-text", darkText.against(forText, white, page)}, variable{"page-soft", soft})
	}
	primary := s.primary
	if !s.hasPrimary {
		primary = hex("#93a2ff")
	}
	if s.hasPrimary || s.hasBackground {
		accent := primary.against(forText, white, card)
		all = append(all, colored(accent, card, white)...)
		all = append(all, variable{"page-link", primary.against(forText, white, page)})
	}
	return all
}

// colored are the variables that come of an accent on a card. end is where colours of the scheme become more legible.
func colored(accent, card, end color) []variable {
	on := white
	switch dark := ink.mixed(black, 0.5); {
	case end == black && contrast(white, accent) >= forText:
	case contrast(dark, accent) >= forText:
		on = dark
	default:
		accent = accent.against(forText, black, white)
	}
	over := accent.mixed(away(on), 0.14)
	tint := card.mixed(accent, 0.1)
	return []variable{
		{"accent", accent}, {"accent-over", over}, {"on-accent", on}, {"tint", tint},
		{"link", accent.against(forText, end, card, tint)},
	}
}
