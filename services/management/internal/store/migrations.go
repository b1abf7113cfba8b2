package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Migration changes what is stored, once for a database.
type Migration struct {
	// Number counts from 1 without a gap. It is never given again.
	Number int
	Name   string
	// Least is the number of the newest migration that a program has to know to work with what this one leaves; 0 means that any
	// can. What the version before could not work with comes a version later: it is the rule of upgrades that either of two
	// neighbours may run.
	Least int
	// Run does it. It may be interrupted anywhere and begun again, so it finds out what is left to do, in parts of bounded size.
	// Its context ends where somebody else may have taken over.
	Run func(ctx context.Context, s *Store) error
}

// Migrations are all there are, in order.
var Migrations = []Migration{
	{Number: 1, Name: "applications have slugs", Run: slugAll},
}

func slugAll(ctx context.Context, s *Store) error { return s.slugOld(ctx) }

const (
	migrationsCollection = "migrations"
	migrationsLease      = "migrations"
)

// migrationDone is what is recorded of a migration.
type migrationDone struct {
	Number int    `bson:"_id"`
	Name   string `bson:"name"`
	// Least is that of the migration: programs that do not know it read it here.
	Least     int       `bson:"least"`
	StartedAt time.Time `bson:"startedAt"`
	// DoneAt is zero while it runs, and after its process died.
	DoneAt time.Time `bson:"doneAt"`
}

func (s *Store) migrations() documents[migrationDone] {
	return documents[migrationDone]{s, migrationsCollection}
}

// Migrated is one migration and when it was done.
type Migrated struct {
	Number int
	Name   string
	DoneAt time.Time
}

// Migrated returns what was done to the database, in order.
func (s *Store) Migrated(ctx context.Context) ([]Migrated, error) {
	all, _, err := s.migrations().find(ctx, bson.M{}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	done := make([]Migrated, len(all))
	for i, m := range all {
		done[i] = Migrated{m.Number, m.Name, m.DoneAt}
	}
	return done, err
}

// ErrNewer says that the database was migrated by a program that is too new for this one.
var ErrNewer = errors.New("the database is too new for this program")

// pendingMigrations returns what is left to do. It refuses a database that this program cannot work with.
func (s *Store) pendingMigrations(ctx context.Context) ([]Migration, error) {
	all, _, err := s.migrations().find(ctx, bson.M{}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	if err != nil {
		return nil, err
	}
	known := len(s.opts.Migrations)
	done := map[int]bool{}
	for _, m := range all {
		if m.Least > known {
			return nil, fmt.Errorf("%w: a later version has run migration %d (%s), after which a program must know migration %d, and this one knows %d; "+
				"start that version again, or restore the backup from before the upgrade", ErrNewer, m.Number, m.Name, m.Least, known)
		}
		done[m.Number] = !m.DoneAt.IsZero()
	}
	var pending []Migration
	for _, m := range s.opts.Migrations {
		if !done[m.Number] {
			pending = append(pending, m)
		}
	}
	return pending, nil
}

// migrate does what is left to do, on one replica at a time; the others wait for it, and are not ready.
func (s *Store) migrate(ctx context.Context) error {
	holder, said := s.opts.Node+"/"+secret.NewID(), ""
	for {
		pending, err := s.pendingMigrations(ctx)
		if err != nil || len(pending) == 0 {
			return err
		}
		lease, won, err := s.Leases().Acquire(ctx, migrationsLease, holder, s.opts.MigrationLease)
		if err != nil {
			return err
		}
		if won {
			err := s.migrateAll(ctx, lease)
			if err == nil || !errors.Is(err, errMigrationLost) {
				return err
			}
			continue
		}
		if detail := s.migrating(ctx, pending[0]); detail != said {
			s.log.InfoContext(ctx, "waiting for another replica to migrate the database", "migration", pending[0].Number, "name", pending[0].Name, "detail", detail)
			if s.opts.Waiting != nil {
				s.opts.Waiting(detail)
			}
			said = detail
		}
		if err := pause(ctx, nil, min(s.opts.MigrationLease/10, time.Second)); err != nil {
			return err
		}
	}
}

// migrating says which migration is waited for, and who has the lease.
func (s *Store) migrating(ctx context.Context, m Migration) string {
	by := "another replica"
	if lease, err := s.Leases().docs.get(ctx, migrationsLease); err == nil {
		if node, _, _ := strings.Cut(lease.Holder, "/"); node != "" {
			by = node
		}
	}
	return fmt.Sprintf("waiting for migration %d (%s) by %s", m.Number, m.Name, by)
}

// errMigrationLost says that the lease was lost: another replica goes on.
var errMigrationLost = errors.New("the lease of the migrations was lost")

// migrateAll runs the migrations under a lease, which it prolongs meanwhile and gives back.
func (s *Store) migrateAll(ctx context.Context, lease Lease) error {
	ctx, lost := context.WithCancelCause(ctx)
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		for pause(ctx, nil, s.opts.MigrationLease/5) == nil {
			next, won, err := s.Leases().Acquire(ctx, lease.Name, lease.Holder, s.opts.MigrationLease)
			if ctx.Err() != nil {
				return
			}
			if err != nil && s.now().Before(lease.ExpiresAt) {
				continue // it is ours until then
			}
			if err != nil || !won || next.Fence != lease.Fence {
				lost(errMigrationLost)
				return
			}
			lease = next
		}
	}()
	err := s.migrateEach(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errMigrationLost) {
		err = errMigrationLost
	}
	lost(nil)
	<-beating
	if !errors.As(err, &died{}) && !errors.Is(err, errMigrationLost) {
		if err := s.Leases().Release(context.WithoutCancel(ctx), lease); err != nil {
			s.log.WarnContext(ctx, "lease not given back", "lease", lease.Name, "err", err)
		}
	}
	return err
}

func (s *Store) migrateEach(ctx context.Context) error {
	pending, err := s.pendingMigrations(ctx)
	if err != nil {
		return err
	}
	for _, m := range pending {
		id := fmt.Sprint(m.Number)
		record := &migrationDone{Number: m.Number, Name: m.Name, Least: m.Least, StartedAt: s.now().UTC()}
		s.log.InfoContext(ctx, "migration of the database begins", "migration", m.Number, "name", m.Name)
		// Before anything is changed, so that a program which could not work with half of it does not begin.
		if err := s.putMigration(ctx, id, record); err != nil {
			return err
		}
		if err := m.Run(ctx, s); err != nil {
			if fault.Is(err, fault.Unavailable) || ctx.Err() != nil || errors.As(err, &died{}) {
				return err
			}
			return fmt.Errorf("migration %d (%s): %w", m.Number, m.Name, err)
		}
		record.DoneAt = s.now().UTC()
		if err := s.putMigration(ctx, id, record); err != nil {
			return err
		}
		s.log.InfoContext(ctx, "migration of the database done", "migration", m.Number, "name", m.Name, "took", record.DoneAt.Sub(record.StartedAt).String())
	}
	return nil
}

func (s *Store) putMigration(ctx context.Context, id string, record *migrationDone) error {
	err := s.migrations().replace(ctx, bson.M{"_id": record.Number}, record)
	if errors.Is(err, ErrStale) {
		err = s.migrations().insert(ctx, id, record)
	}
	return err
}
