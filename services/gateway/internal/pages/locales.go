package pages

import (
	"net/http"
	"strings"
)

// Locales are the languages that somebody reads, the best first (BCP 47): those of the authorization request, then the
// browser's. It never returns more than ten.
func Locales(r *http.Request) []string {
	wishes, _ := r.Context().Value(localesKey{}).(string)
	if wishes == "" {
		wishes = r.URL.Query().Get("ui_locales")
	}
	all := append(strings.Fields(wishes), accepted(r.Header.Values("Accept-Language"))...)
	return all[:min(len(all), 10)]
}
