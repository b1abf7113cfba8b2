package pages

import "testing"

func TestFormActionNamesTheOriginOfTheTarget(t *testing.T) {
	for target, want := range map[string]string{
		"https://a.example/cb?x=1":              "https://a.example",
		"https://A.example:8443/cb":             "https://A.example:8443",
		"http://127.0.0.1:51004/cb":             "http://127.0.0.1:51004",
		"http://[::1]:51004/cb":                 "http:",
		"com.example.app:/cb":                   "com.example.app:",
		"com.example.app://callback":            "com.example.app:",
		"https://a.example;script-src'self'/cb": "https:",
		"https://*.example/cb":                  "https:",
		"https://bücher.example/cb":             "https:",
		"/cb":                                   "'none'",
		"https://%zz/":                          "'none'",
	} {
		if got := formAction(target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
