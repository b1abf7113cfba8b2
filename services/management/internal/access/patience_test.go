package access_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/management/internal/access"
)

// Whoever may check can propose any expression, and it is over soon all the same.
func TestAProposedLoopOverEntitlementsEnds(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	a := "/applications/" + app
	for i := range 4 {
		attributes := []string{}
		for j := range 400 {
			attributes = append(attributes, fmt.Sprintf(`"k%d":"xxxxxxxxxxxxxxxx"`, j))
		}
		e := h.made(a+"/entitlements", fmt.Sprintf(`{"name":"e%d","attributes":{%s}}`, i, strings.Join(attributes, ",")))
		h.made(a+"/entitlements/"+e+"/bindings", `{"user":"`+ann+`"}`)
	}
	began := time.Now()
	code, body := h.send("POST", a+"/access/_check", fmt.Sprintf(`{"user":%q,"proposed":{"bindings":[{"timeoutSeconds":1,"policy":`+
		`{"type":"expression","configuration":{"expression":"lists.range(1000).all(i, lists.range(5).all(j, size(entitlementAttributes) == 400))"}}}]}}`, ann))
	if code != http.StatusOK || !strings.Contains(string(body), `"verdict":"allowed"`) {
		t.Errorf("%d %s", code, body)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestQuestionsHaveATimeLimitAltogether(t *testing.T) {
	h := newHouse(t)
	ann, app := h.user("ann"), h.app("Payroll")
	h.reports = access.New(access.Options{Store: h.store, Patience: time.Nanosecond})
	h.serve()
	h.token = h.signIn("admin")
	proposed := `"proposed":{"bindings":[{"policy":{"type":"expression","configuration":{"expression":"user.username == 'ann'"}}}]}`
	for path, body := range map[string]string{
		"/applications/" + app + "/access/_check":  `{"user":"` + ann + `",` + proposed + `}`,
		"/applications/" + app + "/access/_impact": `{` + proposed + `}`,
		"/policies/_test":                          `{"user":"` + ann + `","type":"expression","configuration":{"expression":"true"}}`,
	} {
		code, answer := h.send("POST", path, body)
		if code != http.StatusServiceUnavailable || !strings.Contains(string(answer), "took longer than") {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}
