package device

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const (
	// CodeLife is how long a person has (RFC 8628 §3.2).
	CodeLife = 600 * time.Second
	// Interval is how often a device may ask.
	Interval = 5 * time.Second
)

// Store keeps sessions, the requests of devices, and attempts at user codes; *state.Store does.
type Store interface {
	browser.Sessions
	NewDevice(ctx context.Context, r state.DeviceRequest, ttl, interval time.Duration) (deviceCode, userCode string, err error)
	// Device returns state.ErrUnknown for a code about which nothing is to be decided.
	Device(ctx context.Context, domain, userCode string) (state.PendingDevice, error)
	// DecideDevice returns state.ErrUnknown if somebody has decided before.
	DecideDevice(ctx context.Context, p state.PendingDevice, allowed *state.Authorization) error
	BeginAttempt(ctx context.Context, a state.Account, limit state.AttemptLimit) (allowed bool, err error)
	ReturnAttempt(ctx context.Context, a state.Account) error
}

// Consents remembers what people approved; *upstream.Directory does.
type Consents interface {
	SaveConsents(ctx context.Context, domain, user, clientID string, consents []*directoryv1.Consent) error
}

// Handler serves the endpoint and the pages. It is safe for concurrent use.
type Handler struct {
	clients  *clientauth.Authenticator
	store    Store
	people   browser.People
	judge    Judge
	consents Consents
	logins   *underway.Book
	proxies  *observe.Proxies
	pages    *pages.Pages
	now      func() time.Time
}

// New returns the endpoint and the pages. It runs flows by logins; nil runs none.
func New(clients *clientauth.Authenticator, store Store, people browser.People, j Judge, consents Consents, logins *underway.Book, proxies *observe.Proxies, p *pages.Pages, now func() time.Time) *Handler {
	return &Handler{clients: clients, store: store, people: people, judge: j, consents: consents, logins: logins, proxies: proxies, pages: p, now: now}
}

// Routes returns their routes.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "device-authorization", Path: "/oauth/device_authorization", Post: h.begin, Errors: endpoint.ErrorJSON},
		{Name: "device", Path: browser.DevicePage, Get: h.show, Post: h.post, NoHead: true, Errors: h.pages.Errors},
	}
}

// answer is what a device is told (RFC 8628 §3.2).
type answer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// begin takes a device's request. Clients authenticate as at the token endpoint; public ones name themselves.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := endpoint.Params(w, r)
	if err != nil {
		return err
	}
	c, err := h.clients.Authenticate(r, d, p)
	if err != nil {
		return err
	}
	observe.Annotate(r.Context(), slog.String("client_id", c.ClientID))
	request, err := read(d, c, p)
	if err != nil {
		return err
	}
	device, user, err := h.store.NewDevice(r.Context(), request, CodeLife, Interval)
	if err != nil {
		return err
	}
	shown := state.ShowUserCode(user)
	body, err := json.Marshal(answer{
		DeviceCode: device, UserCode: shown, URI: browser.URL(d, browser.DevicePage, ""),
		Complete:  browser.URL(d, browser.DevicePage, browser.With("", "user_code", shown)),
		ExpiresIn: int(CodeLife / time.Second), Interval: int(Interval / time.Second),
	})
	if err != nil {
		return err
	}
	endpoint.JSON(w, http.StatusOK, body)
	return nil
}

// read checks what a device asks for.
func read(d *domain.Domain, c *domain.Client, p oauth2.Params) (state.DeviceRequest, error) {
	switch {
	case !c.HasGrant(oauth2.GrantDeviceCode) || !d.Serves(oauth2.GrantDeviceCode) || !c.Profile.ServesGrant(oauth2.GrantDeviceCode):
		return state.DeviceRequest{}, oauth2.UnauthorizedClient.Errorf("The client is not registered for the grant type: %s", oauth2.GrantDeviceCode)
	}
	granted, err := scopes.Grant(d, c, oauth2.SplitScope(p.Get("scope")))
	if err != nil {
		return state.DeviceRequest{}, err
	}
	if !c.HasGrant(oauth2.GrantRefreshToken) { // offline access is what a refresh token gives
		granted = slices.DeleteFunc(granted, func(s string) bool { return s == oauth2.ScopeOfflineAccess })
	}
	wanted, err := resources.Grant(d, c, p.All("resource"))
	if err != nil {
		return state.DeviceRequest{}, err
	}
	return state.DeviceRequest{
		Domain: d.ID, ApplicationID: c.ID, ClientID: c.ClientID, Scopes: granted, Resources: wanted,
	}, nil
}
