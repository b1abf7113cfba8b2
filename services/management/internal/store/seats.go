package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	registrationSeatsCollection = "registration_seats"
	// seatTime is how long a registration under way keeps its place. It is far longer than one takes; what takes longer is
	// no longer counted as under way, but as a client if it becomes one.
	seatTime = 2 * time.Minute
	// recountEvery is how often clients are counted anew although nothing says that the number is wrong: applications also come
	// from archives and out of the history.
	recountEvery = time.Minute
	// fullFor is how long a domain that was counted full is so without another count: whoever is refused would have all of up to a million
	// clients counted. A place that a deletion frees is found after that time at the latest.
	fullFor = 2 * time.Second
)

// registrationSeats says how many registered clients a domain has that limits them, and which registrations are under way.
type registrationSeats struct {
	Domain   string `bson:"_id"`
	Revision int64  `bson:"revision"`
	// Count is how many clients there were at most, beside those under way, since CountedAt. Clients that were deleted since are
	// still counted.
	Count     int64     `bson:"count"`
	CountedAt time.Time `bson:"countedAt"`
	// Configured is the revision of the domain at which they were counted: while there is no limit, nobody counts.
	Configured int64  `bson:"configured"`
	UnderWay   []seat `bson:"underWay,omitempty"`
}

type seat struct {
	Application string    `bson:"application"`
	At          time.Time `bson:"at"`
}

// RegistrationSeats keeps domains from having more registered clients than they may.
type RegistrationSeats struct{ docs documents[registrationSeats] }

// RegistrationSeats returns the places of registered clients.
func (s *Store) RegistrationSeats() *RegistrationSeats {
	return &RegistrationSeats{documents[registrationSeats]{s, registrationSeatsCollection}}
}

// Take keeps a place for an application that is about to be registered, in a domain at a revision that may have so many
// registered clients. It reports false where there is none left, and keeps one place for an application however often it is
// asked. Clients and places together are never more than the limit, however many replicas ask at once: what is
// written was looked at under the revision that is replaced, and whoever makes a client has written its place before.
func (r *RegistrationSeats) Take(ctx context.Context, domain string, configured int64, application string, most int64) (bool, error) {
	for {
		old, err := r.docs.get(ctx, domain)
		switch {
		case errors.Is(err, ErrNotFound):
			old = &registrationSeats{Domain: domain}
		case err != nil:
			return false, err
		}
		now := r.docs.s.now().UTC()
		fresh := *old
		fresh.UnderWay = slices.DeleteFunc(slices.Clone(old.UnderWay), func(s seat) bool { return now.Sub(s.At) > seatTime })
		if slices.ContainsFunc(fresh.UnderWay, func(s seat) bool { return s.Application == application }) {
			return true, nil
		}
		doubtful := old.Revision == 0 || old.Configured != configured || len(fresh.UnderWay) < len(old.UnderWay) || now.Sub(old.CountedAt) > recountEvery
		if !doubtful && fresh.full(most) && now.Sub(old.CountedAt) < fullFor {
			return false, nil
		}
		if doubtful || fresh.full(most) {
			if fresh.Count, err = r.docs.s.countRegistered(ctx, domain, fresh.applications(), most); err != nil {
				return false, err
			}
			fresh.CountedAt, fresh.Configured = now, configured
		}
		if fresh.full(most) {
			err := r.write(ctx, old.Revision, &fresh) // that it was counted, and when
			if errors.Is(err, ErrStale) {
				err = nil // somebody else has written since; it was full all the same
			}
			return false, err
		}
		fresh.UnderWay = append(fresh.UnderWay, seat{application, now})
		if err := r.write(ctx, old.Revision, &fresh); !errors.Is(err, ErrStale) {
			return err == nil, err
		}
	}
}

// Settle gives the place of an application back, to the client that it has become where it was made.
func (r *RegistrationSeats) Settle(ctx context.Context, domain, application string, made bool) error {
	for {
		old, err := r.docs.get(ctx, domain)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		fresh := *old
		fresh.UnderWay = slices.DeleteFunc(slices.Clone(old.UnderWay), func(s seat) bool { return s.Application == application })
		if len(fresh.UnderWay) == len(old.UnderWay) {
			return nil
		}
		if made {
			fresh.Count++
		}
		if err := r.write(ctx, old.Revision, &fresh); !errors.Is(err, ErrStale) {
			return err
		}
	}
}

func (r *RegistrationSeats) write(ctx context.Context, was int64, fresh *registrationSeats) error {
	fresh.Revision = was + 1
	if was > 0 {
		return r.docs.replace(ctx, bson.M{"_id": fresh.Domain, "revision": was}, fresh)
	}
	err := r.docs.insert(ctx, fresh.Domain, fresh)
	if errors.Is(err, ErrDuplicate) {
		return ErrStale
	}
	return err
}

func (r *registrationSeats) full(most int64) bool { return r.Count+int64(len(r.UnderWay)) >= most }

func (r *registrationSeats) applications() []string {
	ids := make([]string, len(r.UnderWay))
	for i, s := range r.UnderWay {
		ids[i] = s.Application
	}
	return ids
}
