package store

import (
	"context"
	"errors"
	"time"
)

const iconsCollection = "icons"

// Icon is a picture of an application. It stays as long as its domain: an earlier state of an application that is brought back
// names it again.
type Icon struct {
	// DocumentID is the domain and the digest.
	DocumentID string `bson:"_id"`
	Domain     string `bson:"domain"`
	Digest     string `bson:"digest"`
	MediaType  string `bson:"mediaType"`
	Content    []byte `bson:"content"`
	// CreatedAt is when it was first stored.
	CreatedAt time.Time `bson:"createdAt"`
}

// Icons keeps pictures by domain and digest.
type Icons struct{ docs documents[Icon] }

// Icons returns the pictures of applications.
func (s *Store) Icons() *Icons { return &Icons{documents[Icon]{s, iconsCollection}} }

func iconID(domain, digest string) string { return domain + "/" + digest }

// Put stores a picture. One that is there already is the same.
func (i *Icons) Put(ctx context.Context, icon Icon) error {
	icon.DocumentID = iconID(icon.Domain, icon.Digest)
	icon.CreatedAt = i.docs.s.now().UTC()
	err := i.docs.insert(ctx, icon.DocumentID, &icon)
	if errors.Is(err, ErrDuplicate) {
		return nil
	}
	return err
}

// Get returns a picture of a domain, or ErrNotFound.
func (i *Icons) Get(ctx context.Context, domain, digest string) (*Icon, error) {
	return i.docs.get(ctx, iconID(domain, digest))
}
