package faults

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
)

// TestTheHandbookSaysWhatIsTried compares all sections of failing networks with the rows.
func TestTheHandbookSaysWhatIsTried(t *testing.T) {
	for _, pair := range append(append(sites(), redisSets()...), []faultproxy.Pair{
		clientToGateway, gatewayToRedis, gatewayToDirectory, gatewayToRegistration, managementToGateway, managementToDatabase, operatorToREST,
		oneWithoutDatabase, allWithoutDatabase, forALetter,
	}...) {
		if err := pair.StatedIn(handbook); err != nil {
			t.Error(err)
		}
	}
}
