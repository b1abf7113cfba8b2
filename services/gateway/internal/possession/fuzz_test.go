package possession

import (
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

func FuzzProof(f *testing.F) {
	// RFC 9449 §4.1
	f.Add("eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19." +
		"eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ." +
		"2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg")
	f.Add("..")
	at := time.Unix(1562262616, 0)
	t1 := target{
		method: "POST", urls: [2]string{"https://server.example.com/token"}, algorithms: []jose.Algorithm{jose.ES256, jose.EdDSA, jose.RS256},
		window: time.Minute,
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := read([]string{text}, t1, at)
		switch {
		case err != nil && oauth2.CodeOf(err) != oauth2.InvalidDPoPProof:
			t.Errorf("%q: %v", text, err)
		case err == nil && (p.jkt == "" || p.jti == ""):
			t.Errorf("%q: %+v", text, p)
		}
	})
}

// TestX1TheProofOfTheStandardPasses reads the example of RFC 9449 §4.1 at its time.
func TestX1TheProofOfTheStandardPasses(t *testing.T) {
	const example = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19." +
		"eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ." +
		"2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	p, err := read([]string{example}, target{
		method: "POST", urls: [2]string{"https://server.example.com/token"}, algorithms: []jose.Algorithm{jose.ES256}, window: time.Minute,
	}, time.Unix(1562262616, 0))
	if err != nil || p.jkt != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzURI(f *testing.F) {
	for _, u := range []string{"https://a.example/b?c#d", "http://A:80/%7e/../x", "https://[::1]:443/", "//x", "https://a/%2f", "https://:", "https://a:"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		normal, ok := normalURI(raw)
		if !ok {
			return
		}
		if again, ok := normalURI(normal); !ok || again != normal {
			t.Errorf("%q: %q, and then %q", raw, normal, again)
		}
	})
}
