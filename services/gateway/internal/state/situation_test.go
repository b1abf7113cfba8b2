package state_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestASituationIsKeptInFewBytes(t *testing.T) {
	long := strings.Repeat("é", 300)
	tests := []struct {
		name     string
		in, want state.SituationFields
		bytes    int
	}{
		{"nothing is kept of nothing", state.SituationFields{}, state.SituationFields{}, 0},
		{"everything is found again",
			state.SituationFields{IP: netip.MustParseAddr("2001:db8::1"), Provider: "staff", ACR: "urn:a", Method: "password", Agent: "Mozilla/5.0 (X11)"},
			state.SituationFields{IP: netip.MustParseAddr("2001:db8::1"), Provider: "staff", ACR: "urn:a", Method: "password", Agent: "Mozilla/5.0 (X11)"}, 60},
		{"a browser cannot say anything but its name",
			state.SituationFields{Agent: "x\ny\x00z"}, state.SituationFields{Agent: "x y z"}, 10},
		{"what a browser says at length is cut", state.SituationFields{Agent: long}, state.SituationFields{Agent: long[:256]}, 260},
		{"letters are not cut in two", state.SituationFields{Agent: "a" + long}, state.SituationFields{Agent: "a" + long[:254]}, 260},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packed := tt.in.Pack()
			if diff := cmp.Diff(tt.want, packed.Fields(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if len(packed) > tt.bytes {
				t.Errorf("%d bytes, want at most %d", len(packed), tt.bytes)
			}
		})
	}
	if got := state.Situation("of another gateway").Fields(); got != (state.SituationFields{}) {
		t.Errorf("what cannot be read holds %+v", got)
	}
}
