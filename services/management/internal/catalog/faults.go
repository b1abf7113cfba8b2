package catalog

import (
	"errors"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

// Faults gathers what is wrong with a request, so that all of it is told at once. The zero value holds nothing.
type Faults struct {
	refused []fault.Detail
	clashes []fault.Detail
}

// Refuse notes what breaks a rule.
func (f *Faults) Refuse(path, detail string) {
	f.refused = append(f.refused, fault.Detail{Path: path, Detail: detail})
}

// Clash notes what another resource, or another part of the same one, has already.
func (f *Faults) Clash(path, detail string) {
	f.clashes = append(f.clashes, fault.Detail{Path: path, Detail: detail})
}

// Take notes the places that an error names, below a path. An error that is no refusal of a request is returned.
func (f *Faults) Take(under string, err error) error {
	e, ok := errors.AsType[*fault.Error](TreeError(err))
	if !ok || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return err
	}
	places := e.Details
	if len(places) == 0 {
		places = []fault.Detail{{Detail: e.Message}}
	}
	for _, d := range places {
		switch {
		case under == "":
		case d.Path == "":
			d.Path = under
		case d.Path[0] == '[':
			d.Path = under + d.Path
		default:
			d.Path = under + "." + d.Path
		}
		if e.Kind == fault.Invalid {
			f.refused = append(f.refused, d)
		} else {
			f.clashes = append(f.clashes, d)
		}
	}
	return nil
}

// Any reports whether anything is wrong.
func (f *Faults) Any() bool { return len(f.refused)+len(f.clashes) > 0 }

// Err returns one error for everything: of kind Invalid where a rule is broken, of kind Conflict where things only clash,
// and nil where nothing is wrong.
func (f *Faults) Err() error {
	switch {
	case len(f.refused) > 0:
		return fault.Invalidf("%s", together(f.refused)).With(f.refused...)
	case len(f.clashes) > 0:
		return fault.Conflictf("%s", together(f.clashes)).With(f.clashes...)
	}
	return nil
}

// maxTold is how many faults the text of an error names; its places name all of them.
const maxTold = 5

func together(details []fault.Detail) string {
	texts := make([]string, 0, maxTold+1)
	for i, d := range details {
		if i == maxTold {
			texts = append(texts, "…")
			break
		}
		name := leaf(d.Path)
		if name == "" {
			texts = append(texts, d.Detail)
			continue
		}
		texts = append(texts, name+": "+d.Detail)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
