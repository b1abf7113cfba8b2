package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// userAgent is how servers see us.
const userAgent = "Gatehouse"

// The limits that hold for every request.
const (
	connectTimeout = 2 * time.Second
	wholeTimeout   = 5 * time.Second
	sendTimeout    = 10 * time.Second
	idleTimeout    = 30 * time.Second
	// A connection over which nothing has come for pingAfter is asked whether it still lives (HTTP/2), and is closed if it does not say
	// so within pingTimeout.
	pingAfter       = 5 * time.Second
	pingTimeout     = 2 * time.Second
	maxURL          = 2048
	maxHeaderBytes  = 64 << 10
	perHost         = 8   // requests to one host at once
	waitingPerHost  = 64  // and those that wait for one of them to end
	everywhere      = 256 // requests at once
	standardMaxSize = 64 << 10
)

// Options are what a client is made of.
type Options struct {
	// Allow are places beyond public addresses; see CheckAllow.
	Allow []string
	// CAFile holds certificates of authorities in PEM that are trusted beside the system's.
	CAFile string
	// Refused counts requests that brought nothing, by reason; may be nil.
	Refused func(Reason)
	// Logger tells operators about them; may be nil.
	Logger *slog.Logger
	// Trace makes requests visible to whoever looks at the ones that they are made for; may be nil.
	Trace func(http.RoundTripper) http.RoundTripper
	// Resolver resolves names; nil means the system's.
	Resolver *net.Resolver
}

// Limits are how much one request may bring. The zero value is one answer of 64 KiB within five seconds, without redirects.
type Limits struct {
	// Bytes is the largest body; 0 means 64 KiB.
	Bytes int64
	// Redirects is how many are followed, each checked anew, never from https to http.
	Redirects int
	// Accept is the header of that name; empty leaves it out.
	Accept string
	// Timeout is for everything together; 0 means five seconds, which is also the most but for Send.
	Timeout time.Duration
}

// The limits of what is fetched.
var (
	JWKS          = Limits{Bytes: 256 << 10, Redirects: 3, Accept: "application/jwk-set+json, application/json;q=0.9"}
	Sector        = Limits{Bytes: 256 << 10, Redirects: 3, Accept: "application/json"}
	RequestObject = Limits{Bytes: 64 << 10, Accept: "application/oauth-authz-req+jwt, application/jwt;q=0.9"}
	Logo          = Limits{Bytes: 512 << 10, Redirects: 3, Accept: "image/png, image/jpeg, image/webp, image/gif"}
	Notice        = Limits{Bytes: 16 << 10}
)

// Answer is what a server said. It may be shared by several callers, who must not change it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client makes guarded requests. It is safe for concurrent use.
type Client struct {
	options Options
	allow   allowances
	// chosen are places that somebody wrote into the configuration; see With.
	chosen allowances
	secure *http.Transport // https
	plain  *http.Transport // http
	hosts  *slots
	joined *joins
}

// New returns a client. It fails on a list of places or a file of authorities that cannot be read.
func New(o Options) (*Client, error) { return newClient(o, nil) }

func newClient(o Options, chosen allowances) (*Client, error) {
	allow, err := parseAllow(o.Allow)
	if err != nil {
		return nil, err
	}
	roots, err := authorities(o.CAFile)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Refused == nil {
		o.Refused = func(Reason) {}
	}
	c := &Client{options: o, allow: allow, chosen: chosen, hosts: newSlots(perHost, waitingPerHost, everywhere), joined: &joins{}}
	c.secure, c.plain = c.transport(roots, false), c.transport(roots, true)
	return c, nil
}

// With returns a client that may also reach these places: those that an administrator wrote into the configuration of an
// identity provider, for example. It shares nothing with the first one but its settings, so what is allowed here stays
// refused there. Link-local addresses and metadata services stay refused here, too, unless Options.Allow names them: whoever
// configures a provider is not always who runs the machine.
func (c *Client) With(allow ...string) (*Client, error) {
	chosen, err := parseAllow(allow)
	if err != nil {
		return nil, err
	}
	return newClient(c.options, append(slices.Clone(c.chosen), chosen...))
}

// Apart returns a client with the same settings and places of its own: what keeps one of them busy does not keep those of the other
// waiting.
func (c *Client) Apart() *Client {
	if c == nil {
		return nil
	}
	own := *c
	own.hosts, own.joined = newSlots(perHost, waitingPerHost, everywhere), &joins{}
	return &own
}

func authorities(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's authorities: %w", err)
	}
	if file == "" {
		return pool, nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("read the authorities for outgoing requests: %w", err)
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("the file %q for outgoing requests holds no certificate in PEM", file)
	}
	return pool, nil
}

func (c *Client) transport(roots *x509.CertPool, plain bool) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            c.dial(plain),
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // what is counted is what was sent
		MaxConnsPerHost:        perHost,
		MaxIdleConnsPerHost:    1,
		MaxIdleConns:           64,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// dial connects to a host. Control runs after the name was resolved, on the very address that is connected to next.
func (c *Client) dial(plain bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, refuse(ReasonURL, "the host is malformed")
		}
		named, chosen := c.allow.named(host, port, plain), c.chosen.named(host, port, plain)
		d := net.Dialer{Timeout: connectTimeout, Resolver: c.options.Resolver}
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if named {
				return nil
			}
			return c.mayConnect(address, plain, chosen)
		}
		return d.DialContext(ctx, network, address)
	}
}

// mayConnect checks the address of a socket. Chosen says that the configuration names its host.
func (c *Client) mayConnect(address string, plain, chosen bool) error {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return refuse(ReasonAddress, "the address cannot be checked")
	case c.allow.contains(at.Addr(), plain):
		return nil
	case (chosen || c.chosen.contains(at.Addr(), plain)) && !local(at.Addr()):
		return nil
	case plain:
		return refuse(ReasonScheme, fmt.Sprintf("plain http is not allowed at %s", at.Addr()))
	case !reachable(at.Addr()):
		return refuse(ReasonAddress, fmt.Sprintf("the address %s is not public; --outbound-allow can allow it", at.Addr()))
	}
	return nil
}

// check says whether an address may be asked at all, before any connection.
func (c *Client) check(u *url.URL) error {
	switch {
	case len(u.String()) > maxURL:
		return refuse(ReasonURL, "the URL is too long")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return refuse(ReasonURL, "the URL has no host")
	case u.User != nil:
		return refuse(ReasonURL, "the URL has credentials")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return refuse(ReasonScheme, "the scheme is not https")
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	if !c.allow.anyPlain(u.Hostname(), port) && !c.chosen.anyPlain(u.Hostname(), port) {
		return refuse(ReasonScheme, "plain http is not allowed there")
	}
	return nil
}

// roundTrip makes one request without following redirects. The context limits its time, and a body that is longer than the
// limit ends in an error.
func (c *Client) roundTrip(r *http.Request, limit int64) (*http.Response, error) {
	if err := c.check(r.URL); err != nil {
		return nil, wrap(r.URL.Host, err)
	}
	release, err := c.hosts.take(r.Context(), r.URL.Host)
	if err != nil {
		return nil, wrap(r.URL.Host, err)
	}
	out := r.Clone(r.Context())
	out.Header.Set("User-Agent", userAgent)
	out.URL.Fragment = ""
	transport := http.RoundTripper(c.secure)
	if out.URL.Scheme == "http" {
		transport = c.plain
	}
	if c.options.Trace != nil {
		transport = c.options.Trace(transport)
	}
	response, err := transport.RoundTrip(out)
	if err != nil {
		release()
		return nil, wrap(r.URL.Host, err)
	}
	if limit <= 0 {
		limit = standardMaxSize
	}
	response.Body = &body{ReadCloser: response.Body, left: limit, host: r.URL.Host, release: release}
	if response.ContentLength > limit {
		_ = response.Body.Close()
		return nil, wrap(r.URL.Host, refuse(ReasonSize, "the answer is too large"))
	}
	return response, nil
}

// body is an answer's body that ends in an error where it is too long, and gives its slot back when it is closed.
type body struct {
	io.ReadCloser
	left    int64
	host    string
	release func()
}

func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, wrap(b.host, refuse(ReasonSize, "the answer is too large"))
	}
	return n, err
}

func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// transporter is a RoundTripper with a limit.
type transporter struct {
	c     *Client
	limit int64
}

// RoundTrip implements http.RoundTripper.
func (t transporter) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.c.roundTrip(r, t.limit)
	if err != nil {
		t.c.report(r.Context(), err)
	}
	return response, err
}

// RoundTripper makes requests for a library with the checks of this package; a body may have limit bytes. Redirects are the
// library's to follow, and each is checked anew; the context limits the time.
func (c *Client) RoundTripper(limit int64) http.RoundTripper { return transporter{c, limit} }

// Get fetches a document. Any status but 200 is an error. Equal fetches at the same time are one, and their answer belongs
// to all callers. Its time does not depend on who asked first; ctx is only how long this caller waits. Errors are *Error,
// or that of ctx.
func (c *Client) Get(ctx context.Context, address string, l Limits) (*Answer, error) {
	return c.joined.do(ctx, joinKey{address, l}, func(ctx context.Context) (*Answer, error) {
		answer, err := c.do(ctx, http.MethodGet, address, nil, l)
		if err == nil && answer.Status != http.StatusOK {
			answer, err = nil, &Error{Reason: ReasonStatus, Host: hostOf(address), Err: fmt.Errorf("status %d", answer.Status)}
		}
		if err != nil {
			c.report(ctx, err)
		}
		return answer, err
	})
}

// PostForm posts a form and returns the answer with whatever status it has. Redirects are not followed: their answer is
// the answer.
func (c *Client) PostForm(ctx context.Context, address string, form url.Values, l Limits) (*Answer, error) {
	l.Redirects = 0
	answer, err := c.do(ctx, http.MethodPost, address, []byte(form.Encode()), l)
	if err != nil {
		c.report(ctx, err)
	}
	return answer, err
}

// do makes a request and follows redirects of a GET.
func (c *Client) do(ctx context.Context, method, address string, form []byte, l Limits) (*Answer, error) {
	timeout := wholeTimeout
	if l.Timeout > 0 {
		timeout = min(l.Timeout, wholeTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := http.Client{
		Transport: limited{c, l.Bytes},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case method != http.MethodGet:
				return http.ErrUseLastResponse
			case len(via) > l.Redirects:
				return wrap(r.URL.Host, refuse(ReasonRedirect, "too many redirects"))
			case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
				return wrap(r.URL.Host, refuse(ReasonRedirect, "a redirect from https to another scheme"))
			}
			r.Header.Del("Referer")
			return nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(form))
	if err != nil {
		return nil, &Error{Reason: ReasonURL, Host: "?", Err: errors.New("the URL is malformed")}
	}
	if l.Accept != "" {
		request.Header.Set("Accept", l.Accept)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, wrap(request.URL.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err == nil {
		err = ctx.Err() // an answer that a server gives because its caller hangs up is none
	}
	if err != nil {
		return nil, wrap(request.URL.Host, err)
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: content}, nil
}

// limited is a transporter whose failures are reported once, by its caller.
type limited transporter

func (t limited) RoundTrip(r *http.Request) (*http.Response, error) { return t.c.roundTrip(r, t.limit) }

// report tells operators what a caller is not told.
func (c *Client) report(ctx context.Context, err error) {
	var e *Error
	if !errors.As(err, &e) || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	c.options.Refused(e.Reason)
	c.options.Logger.WarnContext(ctx, "outgoing request brought nothing", "host", e.Host, "reason", string(e.Reason), "err", e.Err)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "?"
	}
	return strings.ToLower(u.Host)
}
