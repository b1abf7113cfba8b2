package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	mailsCollection      = "mails"
	mailLimitsCollection = "mail_limits"
)

// Mail is an e-mail that is to be sent, or the errand from which e-mails are made. It is deleted when it is done.
type Mail struct {
	ID     string `bson:"_id"`
	Domain string `bson:"domain"`
	// User is the identifier of the person it is about, where one is known: it goes with them.
	User string `bson:"user"`
	// Purpose is what it is for, in the words of its owner.
	Purpose string `bson:"purpose"`
	// Errand says that Content is not a message yet.
	Errand bool `bson:"errand"`
	// Content holds links that open accounts. In the database it is sealed.
	Content []byte `bson:"-"`
	Sealed  string `bson:"sealed"`
	// CreatedAt is when it was asked for, DueAt when it is tried next.
	CreatedAt time.Time `bson:"createdAt"`
	DueAt     time.Time `bson:"dueAt"`
	// Attempts have failed so far.
	Attempts int `bson:"attempts"`
	// Holder works on it until HeldUntil.
	Holder    string    `bson:"holder"`
	HeldUntil time.Time `bson:"heldUntil"`
	Revision  int64     `bson:"revision"`
}

// Mails keeps the e-mails that wait to be sent. Leases are judged by the clocks of those who ask; whoever has lost one
// learns it at the next write.
type Mails struct{ docs documents[Mail] }

// Mails returns the e-mails that wait.
func (s *Store) Mails() *Mails { return &Mails{documents[Mail]{s, mailsCollection}} }

// mailPlace binds a sealed message to its document.
func mailPlace(id string) string { return "gatehouse.mails/" + id }

func (m *Mails) seal(mail *Mail) *Mail {
	sealed := *mail
	sealed.Content, sealed.Sealed = nil, m.docs.s.opts.Sealer.Seal(mailPlace(mail.ID), mail.Content)
	return &sealed
}

// Insert stores a new one; a taken identifier is ErrDuplicate.
func (m *Mails) Insert(ctx context.Context, mail *Mail) error {
	mail.Revision = 1
	return m.docs.insert(ctx, mail.ID, m.seal(mail))
}

// Claim takes up to most that are due and that nobody else holds, those that have waited longest first. One that cannot be
// opened, because its sealing key is gone, has no content.
func (m *Mails) Claim(ctx context.Context, holder string, ttl time.Duration, most int) ([]*Mail, error) {
	now := m.docs.s.now().UTC()
	free := bson.M{"dueAt": bson.M{"$lte": now}, "heldUntil": bson.M{"$lte": now}}
	due, err := m.docs.list(ctx, free, bson.D{{Key: "dueAt", Value: 1}, {Key: "_id", Value: 1}}, most)
	if err != nil {
		return nil, err
	}
	var mine []*Mail
	for _, mail := range due {
		was := mail.Revision
		mail.Revision++
		mail.Holder, mail.HeldUntil = holder, now.Add(ttl)
		err := m.docs.replace(ctx, bson.M{"_id": mail.ID, "revision": was}, mail)
		if errors.Is(err, ErrStale) {
			continue // another one was faster
		}
		if err != nil {
			return mine, err
		}
		if mail.Content, err = m.docs.s.opts.Sealer.Open(mailPlace(mail.ID), mail.Sealed); err != nil {
			m.docs.s.log.ErrorContext(ctx, "an e-mail cannot be opened", "mail", mail.ID, "domain", mail.Domain, "err", err)
		}
		mine = append(mine, mail)
	}
	return mine, nil
}

// Put stores one that was claimed and changed since, or returns ErrStale where the lease was lost.
func (m *Mails) Put(ctx context.Context, mail *Mail) error {
	was := mail.Revision
	mail.Revision++
	err := m.docs.replace(ctx, bson.M{"_id": mail.ID, "revision": was}, m.seal(mail))
	if err != nil {
		mail.Revision = was
	}
	return err
}

// Remove deletes one that is done. That the lease was lost meanwhile does not matter.
func (m *Mails) Remove(ctx context.Context, id string) error {
	_, err := m.docs.remove(ctx, bson.M{"_id": id})
	return err
}

// RemoveUser deletes those about a person.
func (m *Mails) RemoveUser(ctx context.Context, domain, user string) error {
	return m.docs.removeMany(ctx, bson.M{"domain": domain, "user": user})
}

// Waiting returns how many wait, of one domain or, for "", of all.
func (m *Mails) Waiting(ctx context.Context, domain string) (int64, error) {
	filter := bson.M{}
	if domain != "" {
		filter["domain"] = domain
	}
	n, err := m.docs.collection().CountDocuments(ctx, filter)
	return n, m.docs.s.fail(ctx, err)
}

// Oldest returns when the one that waits longest was asked for; zero if none waits.
func (m *Mails) Oldest(ctx context.Context) (time.Time, error) {
	found, err := m.docs.list(ctx, bson.M{}, bson.D{{Key: "createdAt", Value: 1}}, 1)
	if err != nil || len(found) == 0 {
		return time.Time{}, err
	}
	return found[0].CreatedAt, nil
}

// mailLimit counts what was sent under a key in the time that began with the first.
type mailLimit struct {
	Key       string    `bson:"_id"`
	Count     int       `bson:"count"`
	ExpiresAt time.Time `bson:"expiresAt"`
	Revision  int64     `bson:"revision"`
}

// limitTries bounds how often a count is tried that others change.
const limitTries = 20

// Allow counts one more under a key, and reports whether that is one of the first most since the window began. A window
// begins with the first that is counted after the end of the one before.
func (m *Mails) Allow(ctx context.Context, key string, most int, window time.Duration) (bool, error) {
	limits := documents[mailLimit]{m.docs.s, mailLimitsCollection}
	for range limitTries {
		now := m.docs.s.now().UTC()
		known, err := limits.get(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			err = limits.insert(ctx, key, &mailLimit{Key: key, Count: 1, ExpiresAt: now.Add(window), Revision: 1})
			if errors.Is(err, ErrDuplicate) {
				continue
			}
			return err == nil && most > 0, err
		case err != nil:
			return false, err
		}
		if !now.Before(known.ExpiresAt) {
			known.Count, known.ExpiresAt = 0, now.Add(window)
		}
		if known.Count >= most {
			return false, nil
		}
		was := known.Revision
		known.Count, known.Revision = known.Count+1, was+1
		if err := limits.replace(ctx, bson.M{"_id": key, "revision": was}, known); !errors.Is(err, ErrStale) {
			return err == nil, err
		}
	}
	return false, nil
}

// pruneMailLimits forgets counts whose window is over.
func (s *Store) pruneMailLimits(ctx context.Context) error {
	limits := documents[mailLimit]{s, mailLimitsCollection}
	return limits.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lte": s.now().UTC()}})
}
