package transfer

import (
	"context"
	"encoding/base64"
	"log/slog"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Recorder keeps audit records; *audit.Recorder is one.
type Recorder interface {
	Record(ctx context.Context, e audit.Event)
}

// Options are what a Service works with. All but Logger, Now and Version are needed.
type Options struct {
	Store    *store.Store
	Editor   *editor.Editor
	Image    *image.Image
	Recorder Recorder
	// Operators knows what callers may do, and makes operators of archives.
	Operators *operator.Service
	// Version is the program's, for headers.
	Version string
	Logger  *slog.Logger
	Now     func() time.Time
}

// Service exports and imports. It is safe for concurrent use.
type Service struct {
	Options
}

// New returns a Service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// What is recorded.
const (
	actionExport = "export"
	actionImport = "import"
)

// record notes an export or import of a domain or of the installation. Kept are what an import was asked to take although it is not
// as it should be.
func (s *Service) record(ctx context.Context, action string, key resource.Key, name string, h archive.Header, failed error, kept ...string) {
	e := audit.Event{
		Action: action, Key: key, Name: name, At: s.Now(), Revision: h.Revision,
		After: map[string]any{"archive": h.ID, "scope": h.Scope, "secrets": h.Secrets, "madeAt": h.MadeAt},
	}
	for _, what := range kept {
		e.After[what] = "keep"
	}
	if failed != nil {
		e.Result = audit.Failure
	}
	s.Recorder.Record(context.WithoutCancel(ctx), e)
}

// keyOf reads the key of a request; none is a key too.
func keyOf(k *managementv1.ArchiveKey) (archive.Key, error) {
	switch {
	case k.GetPassphrase() != "" && k.GetKey() != "":
		return archive.Key{}, fault.Invalidf("A passphrase and a key: only one is needed").At("key", "must be empty beside a passphrase")
	case k.GetPassphrase() != "":
		key, err := archive.Passphrase(k.GetPassphrase())
		if err != nil {
			return key, fault.Invalidf("The passphrase must have 12 to 1024 bytes").At("passphrase", "must have 12 to 1024 bytes")
		}
		return key, nil
	case k.GetKey() != "":
		raw, err := base64.StdEncoding.DecodeString(k.GetKey())
		if err == nil {
			var key archive.Key
			if key, err = archive.Bytes(raw); err == nil {
				return key, nil
			}
		}
		return archive.Key{}, fault.Invalidf("The key must be 32 bytes in base64").At("key", "must be 32 bytes in base64")
	}
	return archive.Key{}, nil
}
