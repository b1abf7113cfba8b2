package management

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// tellEvery is how often a resealing says how far it is.
const tellEvery = 2 * time.Second

// ErrNotAllResealed says that values are still sealed under other keys than the first.
var ErrNotAllResealed = errors.New("not everything is sealed under the first key")

// Reseal seals everything in the database that is sealed under an old key anew, under the first one of the file, and says how many
// values are sealed under which key then; with count it only counts. Services may run meanwhile. It may be ended anywhere, and
// begun again. ErrNotAllResealed says that something is left, of which each key's line must stay in the file.
func Reseal(ctx context.Context, c Config, count bool, out io.Writer) error {
	db, ring, log, err := c.open(ctx, out)
	if err != nil {
		return err
	}
	defer closeStore(ctx, db)
	var last time.Time
	done, err := db.Reseal(ctx, !count, func(collection string, looked, resealed int64) {
		if time.Since(last) >= tellEvery {
			last = time.Now()
			log.LogAttrs(ctx, slog.LevelInfo, "resealing", slog.String("collection", collection), slog.Int64("documents", looked), slog.Int64("resealed", resealed))
		}
	})
	if err != nil {
		if done != nil {
			log.LogAttrs(ctx, slog.LevelWarn, "resealing has not ended; begin it again", slog.Int64("resealed", done.Resealed))
		}
		return err
	}
	return told(ctx, log, done, ring.Keys())
}

// told says what was found, key by key.
func told(ctx context.Context, log *slog.Logger, done *store.Resealing, ring []string) error {
	keys := slices.Clone(ring)
	for key := range done.Keys {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys[len(ring):])
	for i, key := range keys {
		values, role := done.Keys[key], "opens"
		switch {
		case i == 0:
			role = "seals"
		case i >= len(ring):
			role = "not in the file"
		case values == 0:
			role = "not needed any more"
		}
		log.LogAttrs(ctx, slog.LevelInfo, "sealing key", slog.String("key", key), slog.Int64("values", values), slog.String("role", role))
	}
	for _, s := range done.Stuck {
		log.LogAttrs(ctx, slog.LevelError, "a value can not be sealed anew", slog.String("collection", s.Collection), slog.String("id", s.ID),
			slog.String("member", s.Member), slog.Any("err", s.Why))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "resealing ended", slog.Int64("resealed", done.Resealed), slog.Int64("left", done.Others(ring[0])))
	if left := done.Others(ring[0]); left > 0 {
		return fmt.Errorf("%w: %d values are not", ErrNotAllResealed, left)
	}
	return nil
}
