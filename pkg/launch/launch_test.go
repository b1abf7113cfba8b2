package launch

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func ann() Values {
	return Values{
		Username: "ann", Email: "ann+pay@corp.example", Name: "Änn Ö/S", ID: "u-81", AppSlug: "payroll", DomainID: "d1",
		Attributes: map[string]any{
			"team": "ops/eu", "site": "north", "dots": "..", "dot": ".", "host": "a.b", "zero": 0.0, "yes": true, "n": 5000.0,
			"list": []any{"x"}, "address": map[string]any{"city": "São", "post.code": "1"}, "a.b": "dotted", "empty": "",
			"long": strings.Repeat("a", 60), "inner": "-a",
		},
	}
}

func TestAcceptance31OneCorrectURLFromAnAwkwardTemplate(t *testing.T) {
	template, err := Parse("https://pay.example/My%20pay/{{user.name}}?who={{user.name}}&x=%20#{{user.name}}")
	if err != nil {
		t.Fatal(err)
	}
	got, err := template.Render(ann())
	if want := "https://pay.example/My%20pay/%C3%84nn%20%C3%96%2FS?who=%C3%84nn%20%C3%96%2FS&x=%20#%C3%84nn%20%C3%96%2FS"; err != nil || got != want {
		t.Fatalf("%q, %v; want %q", got, err, want)
	}
	u, err := url.Parse(got)
	if err != nil || u.Query().Get("who") != ann().Name || u.Query().Get("x") != " " || u.Fragment != ann().Name || u.Path != "/My pay/Änn Ö/S" {
		t.Errorf("it is read as %#v, %v", u, err)
	}
	var refused *Error
	if _, err := Parse("https://pay.example/{{user.mail}}"); !errors.As(err, &refused) || refused.Position != 21 || !strings.Contains(err.Error(), "user.email") {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestRender(t *testing.T) {
	for _, tt := range []struct{ name, template, want, field string }{
		{"a template without placeholders stays as it is", "https://pay.example/a%20b?c=%2F&d#e", "https://pay.example/a%20b?c=%2F&d#e", ""},
		{"a value in the host is one label", "https://{{user.attributes.site}}.pay.example:8443/x", "https://north.pay.example:8443/x", ""},
		{"and part of a label", "https://pay-{{user.attributes.site}}-x.example", "https://pay-north-x.example", ""},
		{"a value with a dot is not fit for the host", "https://{{user.attributes.host}}.example", "", "user.attributes.host"},
		{"nor is one with a blank", "https://{{user.name}}.example", "", "user.name"},
		{"nor one that begins with a hyphen", "https://{{user.attributes.inner}}.example", "", "user.attributes.inner"},
		{"nor one that makes the label too long", "https://abcde{{user.attributes.long}}.example", "", "user.attributes.long"},
		{"an absent one stops in the host", "https://{{user.attributes.none}}.example", "", "user.attributes.none"},
		{"and in the path", "https://pay.example/{{user.attributes.none}}/x", "", "user.attributes.none"},
		{"and an empty one", "https://pay.example/{{user.attributes.empty}}", "", "user.attributes.empty"},
		{"it is empty in a query", "https://pay.example/?a={{user.attributes.none}}&b=1", "https://pay.example/?a=&b=1", ""},
		{"and in a fragment", "/x#{{user.attributes.none}}", "/x#", ""},
		{"a slash does not survive in a path", "/t/{{user.attributes.team}}/x", "/t/ops%2Feu/x", ""},
		{"a value is no step in the path", "https://pay.example/a/{{user.attributes.dots}}/b", "", "user.attributes.dots"},
		{"at the end of the path either", "https://pay.example/a/{{user.attributes.dot}}", "", "user.attributes.dot"},
		{"nor before a query", "https://pay.example/a/{{user.attributes.dot}}?x", "", "user.attributes.dot"},
		{"nor before a fragment", "https://pay.example/a/{{user.attributes.dot}}#x", "", "user.attributes.dot"},
		{"nor together with literals", "/a/.{{user.attributes.dot}}/b", "", "user.attributes.dot"},
		{"nor with escaped literals", "/a/%2e{{user.attributes.dot}}/b", "", "user.attributes.dot"},
		{"points are values of a query", "/?a={{user.attributes.dots}}?", "/?a=..?", ""},
		{"and of longer segments", "/v{{user.attributes.dots}}", "/v..", ""},
		{"a member separator does not survive in a query", "/?a={{user.email}}", "/?a=ann%2Bpay%40corp.example", ""},
		{"numbers and truth values have a text", "/?a={{user.attributes.n}}&b={{user.attributes.yes}}&c={{user.attributes.zero}}", "/?a=5000&b=true&c=0", ""},
		{"lists have none", "/{{user.attributes.list}}", "", "user.attributes.list"},
		{"paths lead into objects", "/{{user.attributes.address.city}}", "/S%C3%A3o", ""},
		{"through names with dots", "/{{user.attributes.address.post.code}}", "/1", ""},
		{"which are found first", "/{{user.attributes.a.b}}", "/dotted", ""},
		{"the application and the domain have names", "/{{domain.id}}/{{app.slug}}/{{user.id}}/{{user.username}}", "/d1/payroll/u-81/ann", ""},
		{"blanks around a name mean nothing", "/{{ user.id }}", "/u-81", ""},
		{"letters beyond ASCII are encoded", "https://pay.example/Käse?ö#ü", "https://pay.example/K%C3%A4se?%C3%B6#%C3%BC", ""},
		{"user information and an address stay", "http://a:b@[2001:db8::1]:80/{{user.id}}", "http://a:b@[2001:db8::1]:80/u-81", ""},
		{"a point in user information is no border", "https://a.b@{{user.id}}.example/", "https://a.b@u-81.example/", ""},
		{"a query follows a host", "https://pay.example?u={{user.id}}", "https://pay.example?u=u-81", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			template, err := Parse(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			got, err := template.Render(ann())
			var value *ValueError
			if errors.As(err, &value); got != tt.want || (tt.field == "") != (err == nil) || tt.field != "" && value.Field != tt.field {
				t.Errorf("%q, %v; want %q, field %q", got, err, tt.want, tt.field)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, template string
		position       int
		detail         string
	}{
		{"nothing", "", 1, "begins with"},
		{"scripts", "javascript:alert(1)", 1, "begins with"},
		{"data", "data:text/html,x", 1, "begins with"},
		{"other blanks", "blank://other", 1, "begins with"},
		{"names without a scheme", "pay.example", 1, "begins with"},
		{"a scheme from a value", "{{user.attributes.url}}", 1, "scheme takes no placeholder"},
		{"part of a scheme from a value", "http{{user.id}}://x.example", 1, "begins with"},
		{"other hosts without a scheme", "//evil.example", 2, "another host"},
		{"or with a backslash", `/\evil.example`, 2, "not allowed"},
		{"a URL without a host", "https:///x", 9, "host is missing"},
		{"or with a port alone", "http://:1/x", 8, "host is missing"},
		{"unknown fields", "/a/{{user.mail}}", 4, `unknown field "user.mail"; known fields are user.username, user.email, user.name, user.id, user.attributes.<path>, app.slug, domain.id`},
		{"attributes without a name", "/{{user.attributes.}}", 2, "unknown field"},
		{"fields that are not closed", "/Ä/{{user.id", 4, "not closed"},
		{"placeholders inside placeholders", "/{{user.{{user.id}}", 2, "unknown field"},
		{"single braces", "/a{b}", 3, "single brace"},
		{"closing braces", "/a}}", 3, "single brace"},
		{"blanks", "/a b", 3, "%20"},
		{"lines", "/a\nb", 3, "control"},
		{"bare percent signs", "/100%", 5, "%25"},
		{"text that is not UTF-8", "/\xff", 2, "UTF-8"},
		{"placeholders in the port", "https://a.example:{{user.id}}/", 19, "port takes no placeholder"},
		{"ports that are none", "https://a.example:99999/", 18, "1 to 65535"},
		{"placeholders in user information", "https://{{user.id}}@a.example/", 9, "user information"},
		{"placeholders at the end of the host", "https://a.{{user.id}}/", 11, "last label"},
		{"placeholders as the host", "https://{{user.id}}", 9, "last label"},
		{"placeholders in addresses", "https://[::{{user.id}}]/", 9, "IPv6"},
		{"hosts beyond ASCII", "https://käse.example/", 10, "xn--"},
		{"empty labels", "https://a..example/", 11, "names of letters"},
		{"two fragments", "/#a#b", 4, "one fragment"},
		{"long ones", "/" + strings.Repeat("a", MaxLength), MaxLength + 1, "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.template)
			var refused *Error
			if !errors.As(err, &refused) || refused.Position != tt.position || !strings.Contains(refused.Detail, tt.detail) {
				t.Errorf("%v; want position %d, %q", err, tt.position, tt.detail)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		name string
		app  *configv1.Application
		want string
	}{
		{"the launch URL comes first", anApp("/x", "https://i.example/", "https://r.example/cb"), "/x"},
		{"then where a sign-in begins, with the issuer", anApp("", "https://i.example/start?a=b", "https://r.example/cb"), "https://i.example/start?a=b&iss=https%3A%2F%2Fid.example%2Facme"},
		{"then the origin of the first redirect URI", anApp("", "", "com.example:/cb", "https://*.example/", "https://r.example:8443/cb?x=y", "https://s.example/"), "https://r.example:8443"},
		{"then nothing", anApp("", "", "com.example:/cb"), ""},
		{"a sign-in that no browser can begin is none", anApp("", "com.example:/start", "http://127.0.0.1/cb"), "http://127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, err := Target(tt.app, "https://id.example/acme")
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if target != nil {
				if got, err = target.Render(ann()); err != nil {
					t.Fatal(err)
				}
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	bookmark := anApp("", "", "https://r.example/cb")
	bookmark.Type = configv1.Application_BOOKMARK
	if target, err := Target(bookmark, ""); target != nil || err != nil {
		t.Errorf("a bookmark has no sign-in: %v, %v", target, err)
	}
	if target, err := Target(anApp(BlankURL, "https://i.example/"), ""); err != nil || !target.Blank() {
		t.Errorf("%v, %v", target, err)
	} else if got, err := target.Render(ann()); got != "" || err == nil {
		t.Errorf("a blank one was rendered: %q", got)
	}
	if _, err := Target(anApp("javascript:x", ""), ""); err == nil {
		t.Error("a template of before the rules is taken")
	}
}

func anApp(launchURL, initiate string, redirects ...string) *configv1.Application {
	return &configv1.Application{LaunchUrl: launchURL, Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
		InitiateLoginUri: initiate, RedirectUris: redirects,
	}}}
}

func FuzzRender(f *testing.F) {
	for _, template := range []string{
		"https://{{user.attributes.x}}.pay.example:8443/a/{{user.name}}/b?c={{user.name}}&d#{{user.id}}", "/{{user.name}}", BlankURL,
		"http://a.b@x{{app.slug}}y.z?{{user.email}}", "https://[::1]/%2e{{domain.id}}", "javascript:{{user.id}}", "//{{user.id}}", `/\{{user.id}}`,
	} {
		f.Add(template, "Ä b/c?d=e&f%#", "..")
		f.Add(template, "a@evil.example:80", "http://evil.example")
	}
	f.Fuzz(func(t *testing.T, template, a, b string) {
		parsed, err := Parse(template)
		if err != nil || parsed.Blank() {
			return
		}
		plain, err := parsed.Render(every("v"))
		if err != nil {
			return // a literal and the value make a label that is too long
		}
		v := every(a)
		v.Name, v.Email, v.AppSlug, v.Attributes = b, b, b, map[string]any{"x": b}
		made, err := parsed.Render(v)
		if err != nil {
			var value *ValueError
			if !errors.As(err, &value) {
				t.Fatalf("%T", err)
			}
			return
		}
		was, err := url.Parse(plain)
		if err != nil {
			t.Fatalf("%q: %v", plain, err)
		}
		is, err := url.Parse(made)
		if err != nil {
			t.Fatalf("%q: %v", made, err)
		}
		suffix := func(u *url.URL) string { return u.Host[strings.LastIndexByte(u.Host, '.')+1:] }
		if is.Scheme != was.Scheme || (is.Scheme == "") != (is.Host == "") || suffix(is) != suffix(was) || is.User.String() != was.User.String() ||
			strings.Count(is.Host, ".") != strings.Count(was.Host, ".") || is.Opaque != "" {
			t.Errorf("%q from %q leads elsewhere", made, template)
		}
		if strings.Count(is.EscapedPath(), "/") != strings.Count(was.EscapedPath(), "/") || strings.HasPrefix(is.EscapedPath(), "//") && is.Host == "" {
			t.Errorf("%q from %q has another path", made, template)
		}
		before := strings.Split(was.EscapedPath(), "/")
		for i, segment := range strings.Split(is.EscapedPath(), "/") {
			segment = strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
			if i < len(before) && strings.Contains(before[i], "v") && (segment == "." || segment == "..") {
				t.Errorf("%q from %q has a step in its path", made, template)
			}
		}
		if strings.Count(is.RawQuery, "&") != strings.Count(was.RawQuery, "&") || strings.Count(is.RawQuery, "=") != strings.Count(was.RawQuery, "=") {
			t.Errorf("%q from %q has another query", made, template)
		}
		if strings.ContainsFunc(made, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
			t.Errorf("%q from %q has characters that no URL has", made, template)
		}
	})
}

func every(v string) Values {
	return Values{Username: v, Email: v, Name: v, ID: v, AppSlug: v, DomainID: v, Attributes: map[string]any{"x": v}}
}
