package registration

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// keyHeader names the header by which a registration can be asked for again when its answer was lost.
const keyHeader = "Idempotency-Key"

// Lengths of a key. A short one is guessed, or chosen by others, too: whoever sends the same key and body from the same address
// gets the same client.
const (
	leastKey = 16
	mostKey  = 255
)

// attemptOf returns the attempt that a registration with the header Idempotency-Key is; nil without that header. The key counts
// for who sends it: an administrator, the holder of an initial access token, or anybody at an address. What is asked for is the
// body as JSON: order of members and white space do not count.
func attemptOf(r *http.Request, who string, body []byte) (*registrationv1.Attempt, error) {
	sent := r.Header.Values(keyHeader)
	if len(sent) == 0 {
		return nil, nil
	}
	key := strings.TrimSpace(sent[0])
	outside := func(c rune) bool { return c < 0x20 || c > 0x7e }
	if len(sent) > 1 || len(key) < leastKey || len(key) > mostKey || strings.ContainsFunc(key, outside) {
		return nil, oauth2.InvalidRequest.Errorf("%s must be one value of %d to %d printable characters, such as a UUID", keyHeader, leastKey, mostKey)
	}
	return &registrationv1.Attempt{Key: secret.HashToken(who + "\x00" + key), Fingerprint: secret.HashToken(string(canonical(body)))}, nil
}

// canonical returns JSON with its members in order and without white space; what is no JSON as it is.
func canonical(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return body
	}
	ordered, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return ordered
}

// source is where a request comes from: the network that one client may have for itself; without an address the zero value, one source
// for all of those.
func (h *Handler) source(r *http.Request) netip.Prefix { return observe.Network(h.Proxies.ClientIP(r)) }
