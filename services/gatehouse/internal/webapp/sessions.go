package webapp

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// session returns the session of a request and its identifier, or "" and nil.
func (a *App) session(r *http.Request) (string, *session) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.sessions[c.Value]
	if s == nil {
		return "", nil
	}
	return c.Value, s
}

// begin gives the browser a new session.
func (a *App) begin(w http.ResponseWriter, s *session) {
	id := secret.NewToken()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[id] = s
	a.order = append(a.order, id)
	if len(a.order) > maxSessions {
		delete(a.sessions, a.order[0])
		a.order = append(a.order[:0:0], a.order[1:]...)
	}
	http.SetCookie(w, cookie(id, 0))
}

// replace changes a session that still exists.
func (a *App) replace(id string, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[id] != nil {
		a.sessions[id] = s
	}
}

// forget ends a session, if there is one.
func (a *App) forget(w http.ResponseWriter, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, id)
	http.SetCookie(w, cookie("", -1))
}

// cookie is not Secure, because the application speaks HTTP with this machine only. Lax, because the provider sends
// the browser back from another site.
func cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
