package configsync

import (
	"errors"
	"fmt"

	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// errBroken is a publisher that does not keep to the protocol. What it sent is not applied; the next stream begins anew.
var errBroken = errors.New("configuration stream is broken")

// assembler makes batches of their parts and checks that each continues what is held.
type assembler struct {
	// installation and revision are what the last complete batch led to.
	installation string
	revision     int64
	// parts is the batch under way, begun says that there is one.
	parts Batch
	begun bool
	// lean says that the upserts of messages are left encoded.
	lean bool
}

// add takes the next message. It returns a batch when the message completes one.
func (a *assembler) add(m *configsyncv1.WatchResponse) (_ Batch, complete bool, err error) {
	if !a.begun {
		a.parts = Batch{Installation: m.GetInstallation(), Revision: m.GetRevision(), Reset: m.GetReset_(), BelongingsOnDemand: m.GetBelongingsOnDemand()}
		a.begun = true
		if err := a.continues(a.parts); err != nil {
			return Batch{}, false, err
		}
	} else if m.GetInstallation() != a.parts.Installation || m.GetRevision() != a.parts.Revision {
		return Batch{}, false, fmt.Errorf("%w: a batch to revision %d goes on with a part to revision %d",
			errBroken, a.parts.Revision, m.GetRevision())
	}
	a.parts.Upserts = append(a.parts.Upserts, m.GetUpserts()...)
	if encoded := m.ProtoReflect().GetUnknown(); a.lean && len(encoded) > 0 {
		a.parts.Encoded = append(a.parts.Encoded, encoded)
	}
	a.parts.Deletes = append(a.parts.Deletes, m.GetDeletes()...)
	a.parts.Withheld = withheld(a.parts.Withheld, m)
	a.parts.Registered = registeredIn(a.parts.Registered, m)
	if m.GetPartial() {
		return Batch{}, false, nil
	}
	b := a.parts
	a.parts, a.begun = Batch{}, false
	a.installation, a.revision = b.Installation, b.Revision
	return b, true, nil
}

func (a *assembler) continues(b Batch) error {
	switch {
	case b.Installation == "":
		return fmt.Errorf("%w: a batch without an installation", errBroken)
	case b.Reset:
		return nil
	case b.Installation != a.installation:
		return fmt.Errorf("%w: a batch of installation %q for a state of %q", errBroken, b.Installation, a.installation)
	case b.Revision < a.revision:
		return fmt.Errorf("%w: a batch leads from revision %d back to %d", errBroken, a.revision, b.Revision)
	}
	return nil
}
