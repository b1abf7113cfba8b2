package management

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Migrate brings the database to what this version needs and says what was done to it. It does what every replica does at its start,
// and ends then: for whoever wants it done before the first new replica starts. It waits while the database is away, until ctx ends.
func Migrate(ctx context.Context, c Config, out io.Writer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	log := c.Logger
	if log == nil {
		log = observe.NewLogger(out, c.Logs.Level, c.Logs.Format)
	}
	sealer, err := secret.LoadSealingKeys(c.SealingKeyFile)
	if err != nil {
		return err
	}
	db, err := store.New(store.Options{URI: c.MongoDBURI.Reveal(), Database: c.MongoDBDatabase, Sealer: sealer, Logger: log})
	if err != nil {
		return fmt.Errorf("--mongodb-uri: %w", err)
	}
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		_ = db.Close(limited)
	}()
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		err := db.Prepare(ctx)
		if err == nil {
			break
		}
		if !fault.Is(err, fault.Unavailable) || !pause(ctx, wait) {
			return err
		}
		log.WarnContext(ctx, "database is not available, trying again", "err", err)
	}
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
