package jose

import (
	"crypto"
	"encoding/json"
	"fmt"
	"slices"
)

// KeySet is an immutable set of public keys: those that verify what a domain signed, or those of a client, with which its
// signatures are verified and answers are encrypted for it. It is safe for concurrent use.
type KeySet struct {
	all    []*verifier
	byID   map[string][]*verifier
	issued map[string]issued // by the encoded header of our own signatures
	jwks   []byte
	anyID  bool // tokens may name any kid
}

// verifier is one key of a set: the signature methods it may be used with, and whether something may be encrypted for it.
type verifier struct {
	id       string
	methods  []*method
	encrypts bool
	public   crypto.PublicKey // nil for HMAC
	secret   []byte           // HMAC only
	jwk      jsonKey
}

// issued is what an encoded header of one of our own keys means, so that it is not parsed again.
type issued struct {
	header Header
	key    *verifier
}

// NewKeySet returns the set that verifies what the given keys sign, each with its own algorithm only. Two different
// keys must not share an identifier; see Distinct.
func NewKeySet(keys ...*Key) (*KeySet, error) {
	s := &KeySet{issued: make(map[string]issued, len(keys)*len(commonTypes))}
	for _, k := range keys {
		v := &verifier{id: k.id, methods: []*method{k.method}, public: k.public, secret: k.secret}
		if k.public != nil {
			v.jwk = k.jsonKey()
		}
		for i, typ := range commonTypes {
			encoded := k.headers[i][:len(k.headers[i])-1]
			s.issued[encoded] = issued{Header{Algorithm: k.method.alg, KeyID: k.id, Type: typ}, v}
		}
		s.add(v)
	}
	for id, same := range s.byID {
		if len(same) > 1 {
			return nil, fmt.Errorf("%w: %d keys have the identifier %q", ErrKey, len(same), id)
		}
	}
	s.seal()
	return s, nil
}

func (s *KeySet) add(v *verifier) {
	if s.byID == nil {
		s.byID = make(map[string][]*verifier)
	}
	s.all = append(s.all, v)
	s.byID[v.id] = append(s.byID[v.id], v)
}

// seal renders the public form.
func (s *KeySet) seal() {
	set := struct {
		Keys []jsonKey `json:"keys"`
	}{Keys: []jsonKey{}}
	for _, v := range s.all {
		if v.public != nil {
			set.Keys = append(set.Keys, v.jwk)
		}
	}
	s.jwks, _ = json.Marshal(set) // strings always have a JSON form
}

// Distinct returns the keys in their order with identifiers that differ: where one was taken by an earlier key, a
// hyphen and the beginning of the key's thumbprint are added. The same keys in the same order always get the same
// identifiers. Use the returned keys for signing too.
func Distinct(keys ...*Key) []*Key {
	taken := make(map[string]bool, len(keys))
	all := make([]*Key, 0, len(keys))
	for _, k := range keys {
		id := k.id
		if t := k.Thumbprint(); taken[id] && t != "" {
			id = k.id + "-" + t[:8]
		}
		for n := 2; taken[id]; n++ {
			id = fmt.Sprintf("%s-%d", k.id, n)
		}
		taken[id] = true
		if id != k.id {
			k = k.WithID(id)
		}
		all = append(all, k)
	}
	return all
}

// Len returns the number of keys, those for encryption included.
func (s *KeySet) Len() int { return len(s.all) }

// Has reports whether a key has this identifier.
func (s *KeySet) Has(kid string) bool { return len(s.byID[kid]) > 0 }

// JWKS returns the set in JSON, {"keys":[…]}, with public parts only; shared secrets are left out. The caller must not
// change it.
func (s *KeySet) JWKS() []byte { return s.jwks }

// Algorithms returns the algorithms that the keys can verify, each once, in the order of Algorithms.
func (s *KeySet) Algorithms() []Algorithm {
	var all []Algorithm
	for _, m := range methods {
		if slices.ContainsFunc(s.all, func(v *verifier) bool { return slices.Contains(v.methods, m) }) {
			all = append(all, m.alg)
		}
	}
	return all
}
