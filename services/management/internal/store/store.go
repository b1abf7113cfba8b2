package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Options say which database to use and how patient to be. A zero duration means the default.
type Options struct {
	// URI is a MongoDB connection string, Database the name of the database.
	URI, Database string
	// Sealer keeps stored secrets unreadable.
	Sealer prototree.Sealer
	Logger *slog.Logger
	Now    func() time.Time

	// GracePeriod is how long a follower waits for a writer that has announced a change, counted from its last sign of
	// life (2 s). No change stays pending for longer than lifetimes of it.
	GracePeriod time.Duration
	// PollEvery is how often a follower looks for changes of other processes (250 ms).
	PollEvery time.Duration
	// SweepEvery is how often Run clears away what dead writers left (10 min).
	SweepEvery time.Duration
	// KeepChanges is how long the log of changes reaches back (24 h).
	KeepChanges time.Duration
	// KeepAudits is how long audit records are kept; 0 means for ever. The newest record of a resource that exists is
	// kept whatever its age.
	KeepAudits time.Duration
	// SelectionTimeout bounds the search for a server (2 s), OperationTimeout everything that is asked of it (5 s).
	SelectionTimeout, OperationTimeout time.Duration

	// Tracing makes spans of what requests ask the database; nil makes none.
	Tracing *observe.Tracing

	// Migrations are those that the program knows (Migrations), MigrationLease how long a replica that runs them may give no sign of
	// life until another one goes on (30 s).
	Migrations     []Migration
	MigrationLease time.Duration
	// Node is this replica's name for the others. Waiting is told what Prepare waits for while another replica migrates; may be nil.
	Node    string
	Waiting func(detail string)

	// Hook is for tests: it is called between the steps of a write, and once in a Load. An error stands for the death of the writer: Write
	// returns it at once and leaves everything as it is.
	Hook func(step Step, revision int64) error
	// monitor sees the commands that are sent; for tests.
	monitor *event.CommandMonitor
}

// Step is a point in a write.
type Step string

// The points in a write.
const (
	Announced Step = "announced" // the change is pending, nothing is written
	Recorded  Step = "recorded"  // the records are written, and no resource
	Wrote     Step = "wrote"     // one resource of a set is written
	Written   Step = "written"   // everything is written, the change is still pending
	Settled   Step = "settled"   // the change is settled, a set is not cleared away
	Loading   Step = "loading"   // not of a write: Load knows the newest revision, not yet what is pending
)

// Store is the database. It is safe for concurrent use.
type Store struct {
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	client  *mongo.Client
	db      *mongo.Database
	dialect *prototree.Dialect

	installation atomic.Pointer[string]
	tail         tail
	suspects     suspects
	pruned       pruning
	written      bell
	touches      touches
}

// New returns a store. It contacts nobody; see Prepare.
func New(o Options) (*Store, error) {
	if o.Database == "" {
		return nil, errors.New("the name of the database is missing")
	}
	if o.Sealer == nil {
		return nil, errors.New("a sealer is missing")
	}
	byDefault(&o.GracePeriod, 2*time.Second)
	byDefault(&o.PollEvery, 250*time.Millisecond)
	byDefault(&o.SweepEvery, 10*time.Minute)
	byDefault(&o.KeepChanges, 24*time.Hour)
	byDefault(&o.MigrationLease, 30*time.Second)
	if o.Migrations == nil {
		o.Migrations = Migrations
	}
	byDefault(&o.SelectionTimeout, 2*time.Second)
	byDefault(&o.OperationTimeout, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	connection := options.Client().
		ApplyURI(o.URI).
		SetAppName("gatehouse-management").
		SetServerSelectionTimeout(o.SelectionTimeout).
		SetConnectTimeout(o.SelectionTimeout).
		SetTimeout(o.OperationTimeout).
		SetMonitor(o.monitor)
	if o.Tracing != nil {
		connection.SetMonitor(traced(o.Tracing))
	}
	if err := durable(connection); err != nil {
		return nil, err
	}
	client, err := mongo.Connect(connection)
	if err != nil {
		// The driver's text may repeat the connection string and with it a password.
		return nil, errors.New("the MongoDB connection string cannot be used")
	}
	return &Store{
		opts:    o,
		log:     o.Logger,
		now:     o.Now,
		client:  client,
		db:      client.Database(o.Database),
		dialect: prototree.Document(o.Sealer),
	}, nil
}

func byDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Close ends the connections.
func (s *Store) Close(ctx context.Context) error { return s.client.Disconnect(ctx) }

// testPrefix begins the names of databases that may be dropped.
const testPrefix = "test_"

// DropTestDatabase deletes the database of a test. It refuses any whose name does not begin with test_.
func (s *Store) DropTestDatabase(ctx context.Context) error {
	if !strings.HasPrefix(s.db.Name(), testPrefix) {
		return fmt.Errorf("%s is not the database of a test", s.db.Name())
	}
	return s.fail(ctx, s.db.Drop(ctx))
}

// Ping asks the database whether it is there.
func (s *Store) Ping(ctx context.Context) error {
	return s.fail(ctx, s.client.Ping(ctx, nil))
}

// Installation identifies the database; revisions count in it. It is empty before Prepare.
func (s *Store) Installation() string {
	if id := s.installation.Load(); id != nil {
		return *id
	}
	return ""
}

// Prepare identifies the installation, which is made at the first start, migrates the database and reconciles the indexes. It may be
// repeated, and is, while the database is away (fault.Unavailable). One replica migrates, and the others wait in here. ErrNewer says
// that the database is too new.
func (s *Store) Prepare(ctx context.Context) error {
	id, err := s.identify(ctx)
	if err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.reconcileIndexes(ctx, manifest(), retired); err != nil {
		return err
	}
	s.installation.Store(&id)
	return nil
}

const (
	installationCollection = "installation"
	installationID         = "installation"
	installationPlace      = "gatehouse.installation"
)

// installation is the only document of its collection. Check opens only under the installation's sealing key.
type installation struct {
	DocumentID string    `bson:"_id"`
	ID         string    `bson:"id"`
	Check      string    `bson:"check"`
	CreatedAt  time.Time `bson:"createdAt"`
	// SealedUnder are the keys under which values are, or may be, sealed; nil where an earlier version made the database.
	SealedUnder []string `bson:"sealedUnder,omitempty"`
}

func (s *Store) identify(ctx context.Context) (string, error) {
	c := s.db.Collection(installationCollection)
	for {
		var doc installation
		err := c.FindOne(ctx, bson.M{"_id": installationID}).Decode(&doc)
		switch {
		case err == nil:
			if _, err := s.opts.Sealer.Open(installationPlace, doc.Check); err != nil {
				return "", fmt.Errorf("the sealing key is not the one of this database: %w", err)
			}
			return doc.ID, s.remember(ctx, doc.SealedUnder)
		case !errors.Is(err, mongo.ErrNoDocuments):
			return "", s.fail(ctx, err)
		}
		id := secret.NewID()
		_, err = c.InsertOne(ctx, installation{
			DocumentID: installationID,
			ID:         id,
			Check:      s.opts.Sealer.Seal(installationPlace, []byte(id)),
			CreatedAt:  s.now().UTC(),

			SealedUnder: sealsWith(s.opts.Sealer),
		})
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return "", s.fail(ctx, err)
		}
	}
}
