package secret

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Errors of a Hasher.
var (
	// ErrBusy says that no hash could be computed in time. Callers answer that the service is unavailable.
	ErrBusy = errors.New("too many passwords are being hashed")
	// ErrEncoding says that a stored hash cannot be read. It is a fault of the store, not of the one who signs in.
	ErrEncoding = errors.New("the stored hash has an unknown form or limits beyond what is allowed")
	// ErrTooLong says that a password exceeds MaxPassword.
	ErrTooLong = errors.New("the password is too long")
)

// MaxPassword is the largest password in bytes that is hashed.
const MaxPassword = 1024

// current are the parameters of new password hashes: 19 MiB, two passes, one lane (OWASP's minimum for argon2id).
var current = argonParams{memory: 19 * 1024, time: 2, threads: 1}

const (
	saltBytes = 16
	keyBytes  = 32
)

// Hasher hashes and checks passwords. Each argon2id hash takes 19 MiB, so at most GOMAXPROCS of them run at a time;
// others wait in a bounded queue, until their context ends or the queue's own deadline passes. It is safe for
// concurrent use.
type Hasher struct {
	slots    chan struct{}
	waiting  atomic.Int64
	queue    int64
	patience time.Duration
}

// The bounds of a Hasher's queue: how many wait for each running hash, and for how long at most.
const (
	queuePerSlot    = 64
	defaultPatience = 2 * time.Second
)

// NewHasher returns a Hasher that runs GOMAXPROCS hashes at a time.
func NewHasher() *Hasher { return newHasher(runtime.GOMAXPROCS(0)) }

func newHasher(parallel int) *Hasher {
	return &Hasher{
		slots:    make(chan struct{}, parallel),
		queue:    int64(parallel * queuePerSlot),
		patience: defaultPatience,
	}
}

// acquire takes a slot, or returns ErrBusy.
func (h *Hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return ErrBusy
	}
	defer h.waiting.Add(-1)
	patience := time.NewTimer(h.patience)
	defer patience.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-patience.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
}

func (h *Hasher) release() { <-h.slots }

// Password returns the encoded argon2id hash of a password or of a client secret that a person chose:
// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>. It returns ErrBusy if no slot comes free in time and ErrTooLong for
// more than MaxPassword bytes.
func (h *Hasher) Password(ctx context.Context, password string) (string, error) {
	if len(password) > MaxPassword {
		return "", ErrTooLong
	}
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return encodeArgon(current, salt, current.key(password, salt, keyBytes)), nil
}

// Verify checks a secret against its encoded hash, as Generated or Password made it or as bcrypt ($2a$, $2b$, $2y$)
// was imported. Rehash says that the secret is right and its hash should be replaced by a fresh one of Password,
// because it was made with other parameters. A wrong secret is no error; ErrEncoding, ErrBusy are. Hashes of
// generated secrets are checked at once, without a slot.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok, rehash bool, err error) {
	switch kindOf(encoded) {
	case kindSHA256:
		ok, err := verifyGenerated(encoded, password)
		return ok, false, err
	case kindArgon:
		return h.verifyArgon(ctx, encoded, password)
	case kindBcrypt:
		return h.verifyBcrypt(ctx, encoded, password)
	}
	return false, false, ErrEncoding
}

// VerifyNothing takes as long as Verify of a current password hash. Call it where a user is unknown, so that the time
// of an answer does not tell who exists.
func (h *Hasher) VerifyNothing(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, nobody, password)
	return err
}

// nobody is a well-formed hash that no password has: its key is not the result of any computation.
var nobody = encodeArgon(current, make([]byte, saltBytes), make([]byte, keyBytes))

func (h *Hasher) verifyArgon(ctx context.Context, encoded, password string) (ok, rehash bool, err error) {
	if len(password) > MaxPassword {
		return false, false, nil
	}
	p, salt, want, err := decodeArgon(encoded)
	if err != nil {
		return false, false, err
	}
	if err := h.acquire(ctx); err != nil {
		return false, false, err
	}
	got := p.key(password, salt, uint32(len(want)))
	h.release()
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return false, false, nil
	}
	return true, p != current || len(salt) < saltBytes || len(want) != keyBytes, nil
}

func (h *Hasher) verifyBcrypt(ctx context.Context, encoded, password string) (ok, rehash bool, err error) {
	cost, err := bcrypt.Cost([]byte(encoded))
	if err != nil || cost > maxBcryptCost {
		return false, false, ErrEncoding
	}
	if len(password) > MaxPassword {
		return false, false, nil
	}
	if err := h.acquire(ctx); err != nil {
		return false, false, err
	}
	defer h.release()
	// bcrypt reads 72 bytes; makers of imported hashes cut longer passwords there.
	p := []byte(password)
	err = bcrypt.CompareHashAndPassword([]byte(encoded), p[:min(len(p), 72)])
	switch {
	case err == nil:
		return true, true, nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, false, nil
	}
	return false, false, ErrEncoding
}

// Generated returns the encoded hash of a secret of high entropy, such as one of NewToken: $sha256$<base64>.
func Generated(token string) string { return sha256Prefix + HashToken(token) }

// IsGenerated reports whether an encoded hash was made by Generated, so that it is checked without waiting.
func IsGenerated(encoded string) bool { return kindOf(encoded) == kindSHA256 }

// VerifyGenerated checks a secret against a hash of Generated in constant time. Any other encoding is ErrEncoding.
func VerifyGenerated(encoded, token string) (bool, error) {
	if kindOf(encoded) != kindSHA256 {
		return false, ErrEncoding
	}
	return verifyGenerated(encoded, token)
}

func verifyGenerated(encoded, token string) (bool, error) {
	want, err := decode64(encoded[len(sha256Prefix):])
	if err != nil || len(want) != sha256.Size {
		return false, ErrEncoding
	}
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want) == 1, nil
}

func (p argonParams) key(password string, salt []byte, size uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, size)
}
