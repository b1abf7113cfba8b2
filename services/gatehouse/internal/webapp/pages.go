package webapp

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

//go:embed page.css
var style string

var (
	pageTemplate = template.Must(template.New("page").Parse(pageText))
	styleHash    = "'sha256-" + base64.StdEncoding.EncodeToString(hashOf(style)) + "'"
)

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// page is what the one page shows: a person, a problem, or how to begin.
type page struct {
	Gateway  string
	Problem  string
	SignedIn *view
}

type view struct {
	Name, Initial string
	Refreshable   bool
	At            string
	Tables        []table
}

type table struct {
	Title, About string
	Rows         []row
}

type row struct{ Name, Value, Note string }

func render(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	data := struct {
		page
		Style template.CSS
	}{p, template.CSS(style)} //nolint:gosec // a file of this package
	if err := pageTemplate.Execute(&body, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser has gone if this fails
}

// claims are the members of a token or of an answer.
type claims map[string]any

func firstClaims(a, b claims) claims {
	if len(a) > 0 {
		return a
	}
	return b
}

// unverified reads the claims of a JWT for showing them; the token is meant for others, who check it.
func unverified(token string) claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return nil
	}
	return c
}

func (s *session) view() *view {
	name := firstText(s.userInfo, "name", "preferred_username", "sub")
	initial, _, _ := strings.Cut(name, "")
	for _, r := range name {
		initial = strings.ToUpper(string(r))
		break
	}
	return &view{
		Name: name, Initial: initial, Refreshable: s.tokens.RefreshToken != "", At: s.at.Format("15:04:05"),
		Tables: []table{
			{"ID token", "who signed in, checked with the gateway's keys", s.claims.rows()},
			{"Access token", "what the application may do; for the services it calls", s.access.rows()},
			{"User info", "what the gateway says about the person when asked with the access token", s.userInfo.rows()},
		},
	}
}

func firstText(c claims, names ...string) string {
	for _, n := range names {
		if text, ok := c[n].(string); ok && text != "" {
			return text
		}
	}
	return "somebody"
}

// rows lists claims by name. Times are also shown as people write them.
func (c claims) rows() []row {
	rows := make([]row, 0, len(c))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		r := row{Name: name}
		switch v := c[name].(type) {
		case string:
			r.Value = v
		case float64:
			r.Value = fmt.Sprintf("%.0f", v)
			switch name {
			case "iat", "exp", "auth_time", "nbf", "updated_at":
				r.Note = time.Unix(int64(v), 0).Format("2006-01-02 15:04:05")
			}
		default:
			text, _ := json.Marshal(v)
			r.Value = string(text)
		}
		rows = append(rows, r)
	}
	return rows
}
