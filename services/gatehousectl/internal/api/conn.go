// Package api speaks to management through the generated client, and makes of every failure an answer that says what was
// wrong and what to do.
package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

// Options say where management is and who asks.
type Options struct {
	// Server is the URL of management; /management is added where it has no path.
	Server string
	// Token is sent as bearer token; empty sends none.
	Token string
	// CAFile is a file of certificates, in PEM, that are trusted instead of those of the system.
	CAFile string
	// Timeout bounds each request with its answer.
	Timeout time.Duration
	// PlainHTTP allows http to another machine.
	PlainHTTP bool
	// Agent is sent as User-Agent.
	Agent string
	// Renew says what to do where the token is not taken.
	Renew string
}

// Conn is a connection to one management.
type Conn struct {
	*client.Client
	Options Options

	http *http.Client
}

// ServerURL reads an address as people write it.
func ServerURL(text string, plain bool) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the server's address %q is not a URL such as https://gatehouse.example.com", text)
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("the server's address has the scheme %s; it is https", u.Scheme)
	case u.Scheme == "http" && !plain && !local(u.Hostname()):
		return "", fmt.Errorf("http:// to %s would send your credentials in the clear: use https://, or --plain-http where something else protects the connection", u.Hostname())
	}
	if u.Path == "" {
		u.Path = "/management"
	}
	return u.String(), nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// New prepares a connection; it contacts nobody.
func New(o Options) (*Conn, error) {
	server, err := ServerURL(o.Server, o.PlainHTTP)
	if err != nil {
		return nil, err
	}
	o.Server = server
	web, err := HTTPClient(o.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Conn{Options: o, http: web}
	c.Client, err = client.NewClient(server, client.WithHTTPClient(web), client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		if o.Token != "" {
			r.Header.Set("Authorization", "Bearer "+o.Token)
		}
		r.Header.Set("User-Agent", o.Agent)
		return nil
	}))
	return c, err
}

// HTTPClient trusts the certificates of a file, or those of the system. It follows no redirects: neither management nor a
// token endpoint has any.
func HTTPClient(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile) //nolint:gosec // the file is named by whoever runs the command
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: there is no certificate in %s; it is to be PEM, -----BEGIN CERTIFICATE-----", caFile)
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Answer is an answer that was read to its end.
type Answer struct {
	Status int
	// Tree is the JSON of the body: nil, map[string]any, []any, string, json.Number or bool.
	Tree any
	// ETag is the revision in quotes, if there is one.
	ETag string
}

// Object is the answer as an object; nil if it is none.
func (a Answer) Object() map[string]any {
	o, _ := a.Tree.(map[string]any)
	return o
}

// Call sends a request of the generated client and reads the answer. What is no success is an error: *Problem where management
// said what was wrong, *Failure where it did not answer as it should.
func (c *Conn) Call(ctx context.Context, writes bool, send func(ctx context.Context) (*http.Response, error)) (Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Options.Timeout, errStalled)
	defer cancel()
	answer, err := Read(ctx, send)
	return answer, c.known(err, writes)
}

// known adds to a failure what the connection knows.
func (c *Conn) known(err error, writes bool) error {
	var f *Failure
	var p *Problem
	if errors.As(err, &p) {
		p.Renew = c.Options.Renew
	}
	if errors.As(err, &f) {
		f.Server, f.Writes, f.Timeout = c.Options.Server, writes, c.Options.Timeout
	}
	return err
}

// Read sends a request and reads its answer.
func Read(ctx context.Context, send func(ctx context.Context) (*http.Response, error)) (Answer, error) {
	response, err := send(ctx)
	if err != nil {
		return Answer{}, &Failure{Err: cause(ctx, err)}
	}
	defer response.Body.Close()
	return read(ctx, response)
}

func read(ctx context.Context, response *http.Response) (Answer, error) {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, &Failure{Err: cause(ctx, err)}
	}
	if len(text) > maxAnswer {
		return Answer{}, &Failure{Err: fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)}
	}
	a := Answer{Status: response.StatusCode, ETag: response.Header.Get("ETag")}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case len(text) == 0 && a.Status < 300:
		return a, nil
	case media != "application/json" && !strings.HasSuffix(media, "+json"):
		return a, &Failure{Status: a.Status, Media: media, Text: excerpt(text)}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&a.Tree); err != nil || decoder.More() {
		return a, &Failure{Status: a.Status, Media: media, Text: excerpt(text)}
	}
	if a.Status >= 300 {
		return a, problem(a.Status, text)
	}
	return a, nil
}

func problem(status int, text []byte) error {
	p := &Problem{Status: status}
	if err := json.Unmarshal(text, &p.Problem); err != nil || p.Message == "" {
		return &Failure{Status: status, Media: "application/json", Text: excerpt(text)}
	}
	return p
}

// excerpt is the beginning of a text, without what would play with a terminal.
func excerpt(text []byte) string {
	const most = 200
	clean := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd {
			return ' '
		}
		return r
	}, string(text[:min(len(text), 4*most)]))), " ")
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return clean
}
