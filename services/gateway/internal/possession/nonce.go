package possession

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// A nonce is the time at which it was made and a MAC of it under the domain's secret: every gateway of the domain knows it
// without having kept it (RFC 9449 §8).
const (
	// nonceLife is how long a nonce is good for; from nonceRenewal on answers bring another one.
	nonceLife    = 5 * time.Minute
	nonceRenewal = nonceLife / 2

	nonceTime, nonceMAC = 8, 16
)

var nonceEncoding = base64.RawURLEncoding.Strict()

func newNonce(d *domain.Domain, now time.Time) string {
	var raw [nonceTime + nonceMAC]byte
	binary.BigEndian.PutUint64(raw[:nonceTime], uint64(now.Unix()))
	copy(raw[nonceTime:], macOf(d, raw[:nonceTime]))
	return nonceEncoding.EncodeToString(raw[:])
}

// nonceAge returns how long ago the domain made a nonce, and false if it did not.
func nonceAge(d *domain.Domain, nonce string, now time.Time) (time.Duration, bool) {
	raw, err := nonceEncoding.DecodeString(nonce)
	if err != nil || len(raw) != nonceTime+nonceMAC || !hmac.Equal(raw[nonceTime:], macOf(d, raw[:nonceTime])) {
		return 0, false
	}
	return now.Sub(time.Unix(int64(binary.BigEndian.Uint64(raw[:nonceTime])), 0)), true
}

func macOf(d *domain.Domain, at []byte) []byte {
	mac := hmac.New(sha256.New, d.Secret)
	mac.Write([]byte("dpop nonce "))
	mac.Write(at)
	return mac.Sum(nil)[:nonceMAC]
}
