package browser

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// FormField is the name of the hidden input that holds a form's token.
const FormField = "X-XSRF-TOKEN"

// formLife is how long a form may be sent after it was shown.
const formLife = 15 * time.Minute

// FormToken returns the token of a form that the answer shows, and sets its cookie. The token is good for the browser
// that holds the session cookie of this answer, for 15 minutes, and for one purpose.
func (v *Visit) FormToken(purpose string, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 36)
	v.form = at + "." + seal(v.d, "form", purpose, at, v.cookie)
	v.set()
	return v.form
}

// Sent reports whether a form was sent by the browser it was made for, from our own page: its token is right and young,
// and no other site sent it.
func (v *Visit) Sent(r *http.Request, form oauth2.Params, purpose string, now time.Time) bool {
	if foreign(r, v.d) {
		return false
	}
	at, mac, _ := strings.Cut(form.Get(FormField), ".")
	seconds, err := strconv.ParseInt(at, 36, 64)
	if err != nil || strconv.FormatInt(seconds, 36) != at {
		return false
	}
	if age := now.Sub(time.Unix(seconds, 0)); age < -time.Minute || age > formLife {
		return false
	}
	return slices.ContainsFunc(v.sent, func(cookie string) bool {
		return secret.Equal(mac, seal(v.d, "form", purpose, at, cookie))
	})
}

// Mark names this browser for one purpose to whoever keeps it for later. It tells nothing of the cookie, and changes with it.
func (v *Visit) Mark(purpose string) string { return seal(v.d, "mark", purpose, v.cookie) }

// Marked reports whether a Mark is this browser's.
func (v *Visit) Marked(purpose, mark string) bool {
	return slices.ContainsFunc(v.sent, func(cookie string) bool { return secret.Equal(mark, seal(v.d, "mark", purpose, cookie)) })
}

// foreign reports that the browser says another site sent the form. Our pages send no referrer, so Origin is "null" on
// their own posts (Fetch §3.2); then Sec-Fetch-Site speaks.
func foreign(r *http.Request, d *domain.Domain) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" {
		return true
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != "null" && !strings.EqualFold(origin, Origin(d))
}

// seal is a MAC over a list of texts, which no other list has.
func seal(d *domain.Domain, parts ...string) string {
	h := hmac.New(sha256.New, d.Secret)
	for _, p := range parts {
		h.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Form reads the body of a posted form, urlencoded or multipart, apart from the query: a page's query and its form may
// both name a client.
func Form(w http.ResponseWriter, r *http.Request) (oauth2.Params, error) {
	bare := *r
	bare.URL = &url.URL{}
	return endpoint.Params(w, &bare)
}
