package management

import (
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	assetsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/assets/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	usagev1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/usage/v1"
)

// handOverAfter is how long after it has lost its database a replica hands its gateways over: when they have been told that others are
// better.
const handOverAfter = time.Second

// handOver ends the streams of a replica that has lost its database: it hears of no changes, and other replicas may. Gateways that find no
// other one come back at once, and are left alone until the next loss.
func handOver(ready *serve.Readiness, gateways interface{ HandOver() }) {
	var mu sync.Mutex
	had := false
	var due *time.Timer
	ready.Watch(func(conditions map[string]serve.Condition) {
		mu.Lock()
		defer mu.Unlock()
		has := conditions[database].OK
		if has && due != nil {
			due.Stop()
			due = nil
		}
		if had && !has {
			due = time.AfterFunc(handOverAfter, gateways.HandOver)
		}
		had = has
	})
}

// planeServices are what gateways can ask this replica for, with the conditions of readiness that each service needs. The stream of
// configuration comes out of memory: it goes on without the database, as far as it was read.
func (c *Config) planeServices() map[string][]string {
	services := map[string][]string{}
	if c.has(roleDistribution) {
		services[configsyncv1.ConfigSyncService_ServiceDesc.ServiceName] = []string{configured}
		for _, name := range []string{
			registrationv1.RegistrationService_ServiceDesc.ServiceName,
			assetsv1.AssetService_ServiceDesc.ServiceName,
			usagev1.UsageService_ServiceDesc.ServiceName,
		} {
			services[name] = []string{database, configured}
		}
	}
	if c.has(roleDirectory) {
		services[directoryv1.DirectoryService_ServiceDesc.ServiceName] = []string{database, configured}
	}
	return services
}
