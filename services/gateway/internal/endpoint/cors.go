package endpoint

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// allowedHeaders are what browsers may send where the domain says nothing else.
var allowedHeaders = []string{"Authorization", "Content-Type", "DPoP", "Idempotency-Key"}

// CORS sets the headers by which a browser lets the pages of other origins read the answer, as the domain's settings
// have it. It answers a preflight request from an allowed origin and reports that it did.
func CORS(w http.ResponseWriter, r *http.Request, d *domain.Domain, methods []string) (answered bool) {
	cors := d.Settings.GetCorsSettings()
	if !cors.GetEnabled() {
		return false
	}
	h := w.Header()
	origin := r.Header.Get("Origin")
	listed := origin != "" && slices.Contains(cors.GetAllowedOrigins(), origin)
	everybody := slices.Contains(cors.GetAllowedOrigins(), "*")
	if !everybody || cors.GetAllowCredentials() {
		h.Add("Vary", "Origin") // also on answers that a cache may give to other origins later
	}
	switch {
	case origin == "" || !listed && !everybody:
		return false
	case listed && cors.GetAllowCredentials():
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case everybody: // never with credentials (Fetch §3.2.5)
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		h.Set("Access-Control-Allow-Origin", origin)
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After")
		return false
	}
	if own := cors.GetAllowedMethods(); len(own) > 0 {
		methods = own
	}
	headers := allowedHeaders
	if own := cors.GetAllowedHeaders(); len(own) > 0 {
		headers = own
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	if age := cors.GetMaxAge(); age > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(age)))
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
