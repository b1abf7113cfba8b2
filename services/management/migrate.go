package management

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Migrate brings the database to what this version needs and says what was done to it. It does what every replica does at its start,
// and ends then: for whoever wants it done before the first new replica starts. It waits while the database is away, until ctx ends.
func Migrate(ctx context.Context, c Config, out io.Writer) error {
	db, _, log, err := c.open(ctx, out)
	if err != nil {
		return err
	}
	defer closeStore(ctx, db)
	done, err := db.Migrated(ctx)
	if err != nil {
		return err
	}
	for _, m := range done {
		log.LogAttrs(ctx, slog.LevelInfo, "migration is done", slog.Int("migration", m.Number), slog.String("name", m.Name),
			slog.String("at", m.DoneAt.UTC().Format(time.RFC3339)))
	}
	return nil
}

// open opens the database as a service does at its start, and prepares it, for a command that ends. It waits while the database is
// away, until ctx ends.
func (c *Config) open(ctx context.Context, out io.Writer) (*store.Store, *secret.Sealer, *slog.Logger, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, nil, err
	}
	log := c.Logger
	if log == nil {
		log = observe.NewLogger(out, c.Logs.Level, c.Logs.Format)
	}
	sealer, err := secret.LoadSealingKeys(c.SealingKeyFile)
	if err != nil {
		return nil, nil, nil, err
	}
	node, _ := os.Hostname()
	db, err := store.New(store.Options{URI: c.MongoDBURI.Reveal(), Database: c.MongoDBDatabase, Sealer: sealer, Logger: log, Node: node})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("--mongodb-uri: %w", err)
	}
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		err := db.Prepare(ctx)
		if err == nil {
			return db, sealer, log, nil
		}
		if !fault.Is(err, fault.Unavailable) || !pause(ctx, wait) {
			closeStore(ctx, db)
			return nil, nil, nil, err
		}
		log.WarnContext(ctx, "database is not available, trying again", "err", err)
	}
}

func closeStore(ctx context.Context, db *store.Store) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = db.Close(limited)
}
