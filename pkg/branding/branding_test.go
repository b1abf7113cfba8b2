package branding

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestContrastIsThatOfTheGuidelines(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#777777", "#ffffff", 4.48}, {"#ff0000", "#ffffff", 4}, {"#3346c4", "#3346C4", 1}} {
		if got := contrast(hex(tt.a), hex(tt.b)); got < tt.want-0.01 || got > tt.want+0.01 {
			t.Errorf("%s on %s: %.3f, want %.2f", tt.a, tt.b, got, tt.want)
		}
	}
}

// variables reads what a theme sets, over the product's own.
func variables(t *testing.T, css string) (light, dark map[string]color) {
	t.Helper()
	light = map[string]color{
		"page": lightPage, "card": lightCard, "text": ink, "soft": hex("#555f72"), "field": hex("#7d879a"), "page-text": ink, "page-soft": hex("#555f72"),
	}
	dark = map[string]color{
		"page": darkPage, "card": darkCard, "text": darkText, "soft": hex("#a7b1c4"), "field": hex("#78849b"), "page-text": darkText, "page-soft": hex("#a7b1c4"),
	}
	first, second, _ := strings.Cut(css, "@media")
	for part, into := range map[string]map[string]color{first: light, second: dark} {
		for _, m := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{6});`).FindAllStringSubmatch(part, -1) {
			into[m[1]] = hex(m[2])
		}
	}
	return light, dark
}

func TestWhateverColoursAreGivenPeopleCanRead(t *testing.T) {
	given := []string{"#ffffff", "#000000", "#ffff00", "#767676", "#808080", "#777777", "#00ff00", "#0000ff", "#ff0000", "#3346c4", "#f5f5dc", "#191919", "#f7c948"}
	source := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same colours in each run
	for range 300 {
		given = append(given, color{source.Float64(), source.Float64(), source.Float64()}.String())
	}
	for i, primary := range given {
		for _, background := range []string{"", given[(i*7+3)%len(given)], "#ffffff", "#000000", "#808080"} {
			theme := Compile(&configv1.Branding{PrimaryColor: primary, BackgroundColor: background}, nil)
			light, dark := variables(t, theme.CSS)
			for name, v := range map[string]map[string]color{"light": light, "dark": dark} {
				for _, tt := range []struct {
					on, under string
					least     float64
				}{
					{"on-accent", "accent", forText}, {"on-accent", "accent-over", forText}, {"accent", "card", forControls}, {"field", "card", forControls},
					{"link", "card", forText}, {"link", "tint", forText}, {"text", "card", forText}, {"text", "tint", forText}, {"soft", "card", forText},
					{"page-text", "page", forText}, {"page-soft", "page", forText}, {"page-link", "page", forText},
				} {
					if got := contrast(v[tt.on], v[tt.under]); got < tt.least {
						t.Fatalf("primary %s on %q, %s: %s %s on %s %s has %.2f", primary, background, name, tt.on, v[tt.on], tt.under, v[tt.under], got)
					}
				}
			}
		}
	}
}

func TestColoursThatCanBeReadStayAsTheyAre(t *testing.T) {
	theme := Compile(&configv1.Branding{PrimaryColor: "#0B5FFF"}, nil)
	light, _ := variables(t, theme.CSS)
	if light["accent"].String() != "#0b5fff" || light["on-accent"] != white {
		t.Errorf("style %s", theme.CSS)
	}
}

func TestApplicationsSpeakForThemselvesMemberByMember(t *testing.T) {
	domain := &configv1.Branding{
		DisplayName: "Acme", LogoUri: "https://a.example/l.png", LogoDarkUri: "https://a.example/d.png", CornerRadius: proto.Int32(0),
		Font: configv1.Branding_SERIF, SupportEmail: "help@acme.example", Links: []*configv1.BrandingLink{{Label: "Imprint", Uri: "https://a.example/i"}},
	}
	app := &configv1.Branding{LogoUri: "https://b.example/l.png", CornerRadius: proto.Int32(24)}
	theme := Compile(domain, app)
	if theme.Name != "Acme" || theme.Logo != "https://b.example/l.png" || theme.LogoDark != "" || theme.SupportEmail != "help@acme.example" || len(theme.Links) != 1 {
		t.Errorf("theme %+v", theme)
	}
	if !strings.Contains(theme.CSS, "--radius:24px;") || !strings.Contains(theme.CSS, "--font:Charter") || strings.Contains(theme.CSS, "accent") {
		t.Errorf("style %s", theme.CSS)
	}
	if Compile(nil, nil) != nil || Compile(&configv1.Branding{}, nil).CSS != "" || Compile(&configv1.Branding{DisplayName: "x"}, nil).Hash != "" {
		t.Error("nothing said is something")
	}
}

func TestNothingOfAThemeEndsItsStyleSheet(t *testing.T) {
	theme := Compile(&configv1.Branding{
		PrimaryColor: "red;}</style>", BackgroundColor: "#12345g", CornerRadius: proto.Int32(-1), Font: 99, LogoUri: "javascript:x", SupportUri: "http://a.example",
	}, nil)
	if theme.CSS != "" || theme.Logo != "" || theme.SupportURI != "" {
		t.Errorf("theme %+v", theme)
	}
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 65)
	link := func(label, uri string) *configv1.Branding {
		return &configv1.Branding{Links: []*configv1.BrandingLink{{Label: "ok", Uri: "https://a.example"}, {Label: label, Uri: uri}}}
	}
	for name, tt := range map[string]struct {
		given *configv1.Branding
		path  string
	}{
		"nothing":                      {nil, ""},
		"all of it":                    {&configv1.Branding{DisplayName: "A", LogoUri: "https://a.example/x", PrimaryColor: "#ABCDEF", CornerRadius: proto.Int32(0), SupportEmail: "a@b.example"}, ""},
		"a colour by name":             {&configv1.Branding{PrimaryColor: "red"}, "primaryColor"},
		"a short colour":               {&configv1.Branding{BackgroundColor: "#fff"}, "backgroundColor"},
		"a sign in the colour":         {&configv1.Branding{PrimaryColor: "#+12345"}, "primaryColor"},
		"a logo over http":             {&configv1.Branding{LogoUri: "http://a.example/x"}, "logoUri"},
		"a logo that is a script":      {&configv1.Branding{LogoDarkUri: "javascript:x"}, "logoDarkUri"},
		"a favicon without a host":     {&configv1.Branding{FaviconUri: "https:///x"}, "faviconUri"},
		"a support page with a person": {&configv1.Branding{SupportUri: "https://u@a.example"}, "supportUri"},
		"corners too round":            {&configv1.Branding{CornerRadius: proto.Int32(25)}, "cornerRadius"},
		"a long name":                  {&configv1.Branding{DisplayName: long}, "displayName"},
		"a name of two lines":          {&configv1.Branding{DisplayName: "a\nb"}, "displayName"},
		"an address with a name":       {&configv1.Branding{SupportEmail: "A <a@b.example>"}, "supportEmail"},
		"a link without a label":       {link("", "https://a.example"), "links[1].label"},
		"a link to a script":           {link("a", "javascript:x"), "links[1].uri"},
		"too many links":               {&configv1.Branding{Links: make([]*configv1.BrandingLink, 7)}, "links"},
	} {
		got := Check(tt.given)
		if (got == nil) != (tt.path == "") || got != nil && (got.Path != tt.path || got.Detail == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
