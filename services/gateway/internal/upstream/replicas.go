package upstream

import (
	"encoding/json"
	"path"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health" // asks replicas whether they can serve

	assetsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/assets/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// repeated are the calls that only read. All others may have been done by a replica that died before it could say so: a password is
// counted, a login recorded, a client made.
var repeated = []string{
	directoryv1.DirectoryService_GetUser_FullMethodName,
	directoryv1.DirectoryService_GetConsents_FullMethodName,
	directoryv1.DirectoryService_ListConsents_FullMethodName,
	directoryv1.DirectoryService_GetTicket_FullMethodName,
	registrationv1.RegistrationService_Resolve_FullMethodName,
	registrationv1.RegistrationService_FindInitialAccessToken_FullMethodName,
	registrationv1.RegistrationService_FindBelongings_FullMethodName,
	assetsv1.AssetService_GetIcon_FullMethodName,
}

// Replicas has calls spread over all replicas of management whose addresses are known and who can serve, and those that only read made
// again, three times within half a second, where a replica of management was lost meanwhile: by
// then the connection is one to another replica. While most calls fail, which is to say that management is away altogether, nothing is
// repeated. It is for the connections of this package.
//
// service is the one that the connection is for: a replica that says of it that it is not SERVING, because it lost its database or has no
// such service, is left out until it says otherwise, and while all say so calls fail at once. Streams that have begun go on.
// A replica that says nothing, which is older than that, counts as serving.
//
// What a replica has not begun with, because it stops, gRPC takes to another one by itself, whatever it is.
func Replicas(service string) grpc.DialOption {
	type method struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	names := make([]method, len(repeated))
	for i, full := range repeated {
		names[i] = method{path.Base(path.Dir(full)), path.Base(full)}
	}
	policy, err := json.Marshal(map[string]any{
		// Each gateway alone would keep to one of them, and a replica that is added would have nothing to do.
		"loadBalancingConfig": []any{map[string]any{"round_robin": map[string]any{}}},
		"healthCheckConfig":   map[string]any{"serviceName": service},
		"methodConfig": []any{map[string]any{
			"name": names,
			"retryPolicy": map[string]any{
				"maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.25s", "backoffMultiplier": 2,
				"retryableStatusCodes": []string{"UNAVAILABLE"},
			},
		}},
		"retryThrottling": map[string]any{"maxTokens": 20, "tokenRatio": 0.5},
	})
	if err != nil {
		panic(err) // it has no reason
	}
	return grpc.WithDefaultServiceConfig(string(policy))
}
