package rest

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// visible narrows a list of domains or applications to those that the caller is member of, unless they may read all of
// them. Other kinds are for everybody who may list them.
func (a *API) visible(r *http.Request, arm string, q *image.Query) error {
	o, ok := operator.From(r.Context())
	if !ok || o.Allows(arm+":read") {
		return nil
	}
	var ids []string
	var err error
	switch arm {
	case catalog.Domains.Arm:
		ids, err = a.Operators.Domains(r.Context(), o)
	case catalog.Applications.Arm:
		ids, err = a.Operators.Applications(r.Context(), o, r.PathValue("domain"))
	default:
		return nil
	}
	if err != nil {
		return err
	}
	q.Only = make(map[string]bool, len(ids))
	for _, id := range ids {
		q.Only[id] = true
	}
	return nil
}
