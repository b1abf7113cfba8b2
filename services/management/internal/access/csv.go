package access

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// asCSV is what the routes say that answer a whole report to `Accept: text/csv`.
const asCSV = "With `Accept: text/csv` the whole report, with a row of headings."

func wantsCSV(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		if kind, _, _ := strings.Cut(part, ";"); strings.EqualFold(strings.TrimSpace(kind), "text/csv") {
			return true
		}
	}
	return false
}

// dates says on what a report rests: the revision of the newest of some applications, and the place in the log of the directory up
// to which it knows it.
func (w *world) dates(to http.ResponseWriter, apps ...*configv1.Application) {
	var newest int64
	for _, a := range apps {
		newest = max(newest, a.GetRevision())
	}
	to.Header().Set("Gatehouse-Revision", strconv.FormatInt(newest, 10))
	to.Header().Set("Gatehouse-Directory", strconv.FormatInt(w.crowd.position, 10))
}

// sheet answers rows of text, the first of them being the headings, as they come.
func sheet(w http.ResponseWriter, headings []string, rows func(add func(cells ...string) error) error) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="access.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write(headings)
	n := 0
	err := rows(func(cells ...string) error {
		for i, cell := range cells {
			cells[i] = harmless(cell)
		}
		if n++; n%surveyed == 0 {
			out.Flush()
		}
		return out.Write(cells)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// people answers who can open an application.
func people(w http.ResponseWriter, r *http.Request, world *world, rule *access.Rule, hits []found) error {
	headings := []string{"id", "username", "name", "email", "verdict", "because", "entitlements", "lastSignIn"}
	return sheet(w, headings, func(add func(...string) error) error {
		for part := range slices.Chunk(hits, surveyed) {
			entries, err := world.entries(r.Context(), rule, part)
			if err != nil {
				return err
			}
			for _, e := range entries {
				last := ""
				if e.GetLastSignIn() != nil {
					last = e.GetLastSignIn().AsTime().Format(time.RFC3339)
				}
				err := add(e.GetId(), e.GetUsername(), e.GetName(), e.GetEmail(), e.GetVerdict(), because(e.GetBecause()),
					strings.Join(e.GetEntitlements(), "; "), last)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// openings answers what somebody, or membership of a group, opens.
func openings(w http.ResponseWriter, count int, entry func(i int) *managementv1.AccessApplication) error {
	headings := []string{"id", "name", "slug", "verdict", "open", "because", "entitlements", "shown", "shownBecause"}
	return sheet(w, headings, func(add func(...string) error) error {
		for i := range count {
			e := entry(i)
			err := add(e.GetId(), e.GetName(), e.GetSlug(), e.GetVerdict(), strconv.FormatBool(e.GetOpen()), because(e.GetBecause()),
				strings.Join(e.GetEntitlements(), "; "), strconv.FormatBool(e.GetShown()), strings.Join(e.GetShownBecause(), "; "))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// because says in one cell what lets somebody in: a group with the way to it, a user, a policy, an entitlement.
func because(reasons []*managementv1.AccessReason) string {
	var texts []string
	for _, b := range reasons {
		texts = append(texts, strings.Join(append(slices.Clone(b.GetViaNames()), b.GetEntitlement()+b.GetName()), " > "))
	}
	return strings.Join(texts, "; ")
}

// harmless keeps spreadsheets from taking a name for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
