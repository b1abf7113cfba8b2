package management_test

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer/mailtest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// services of the plane, with the role that has them.
var services = map[string]string{
	"gatehouse.configsync.v1.ConfigSyncService": "distribution", "gatehouse.registration.v1.RegistrationService": "distribution",
	"gatehouse.assets.v1.AssetService": "distribution", "gatehouse.usage.v1.UsageService": "distribution", "gatehouse.directory.v1.DirectoryService": "directory",
}

// has reports whether the plane has a service. Nobody has the method that is asked for.
func (r *running) has(service string) bool {
	r.Helper()
	err := r.dial(r.house.gateway).Invoke(r.Context(), "/"+service+"/Nothing", new(emptypb.Empty), new(emptypb.Empty))
	switch said := status.Convert(err).Message(); {
	case strings.Contains(said, "unknown method"):
		return true
	case strings.Contains(said, "unknown service"):
		return false
	default:
		r.Fatalf("%s: %v", service, err)
		return false
	}
}

// TestAReplicaDoesTheWorkOfItsRoles starts one replica for each role, on one database. Each serves what is its own and nothing else,
// all of them are ready and follow the configuration; and e-mails leave once a replica is there for what runs in the background.
func TestAReplicaDoesTheWorkOfItsRoles(t *testing.T) {
	server := mailtest.New(t, mailtest.Options{})
	h := newHouse(t)
	h.config.Mail.URL, h.config.Mail.From, h.config.Mail.Insecure = config.URL("smtp://"+server.Address()), "Gatehouse <a@example.com>", true
	as := func(role string) *running {
		h.config.Roles = []string{role}
		r := h.start()
		r.untilReady(true)
		return r
	}
	api := as("api")
	api.signIn()
	domain := api.must(201, "POST", "/domains", `{"name":"People"}`)["id"].(string)
	others := map[string]*running{"api": api, "distribution": as("distribution"), "directory": as("directory")}
	api.must(201, "POST", "/domains/"+domain+"/users", `{"username":"ann","email":"ann@example.com","preRegistration":true}`)

	// A gateway at the one that distributes has what was changed at the one that serves REST.
	g := others["distribution"].join(nil)
	g.until("the domain", func() bool {
		for key := range g.held {
			if key.ID == domain {
				return true
			}
		}
		return false
	})

	if n := len(server.Letters()); n != 0 || server.Attempts() != 0 {
		t.Errorf("%d e-mails have left, and none of the replicas is for that", n)
	}
	others["sync"] = as("sync")
	if l := server.Await(1)[0]; !strings.Contains(l.Link(), "/confirmRegistration?token=") {
		t.Errorf("the e-mail of the replica that works in the background has the link %s", l.Link())
	}

	for role, r := range others {
		if serves := r.Addr() != ""; serves != (role == "api") {
			t.Errorf("%s: REST at %q", role, r.Addr())
		}
		for service, of := range services {
			if got := r.has(service); got != (of == role) {
				t.Errorf("%s: the plane has %s: %t", role, service, got)
			}
		}
	}
}

// TestReadinessSaysWhichMigrationIsWaitedFor: another replica has the lease of the migrations.
func TestReadinessSaysWhichMigrationIsWaitedFor(t *testing.T) {
	h := newHouse(t)
	leases := storetest.Database(t, h.options).Collection("leases")
	lease := bson.M{"_id": "migrations", "holder": "management-7/0199", "fence": int64(1), "expiresAt": time.Now().Add(time.Hour), "revision": int64(1)}
	if _, err := leases.InsertOne(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	r := h.start()
	deadline := time.Now().Add(patience)
	const says = "waiting for migration 1 (applications have slugs) by management-7"
	for text := ""; !strings.Contains(text, says); {
		if time.Now().After(deadline) {
			t.Fatalf("readiness says %s, want %q", text, says)
		}
		text = r.untilReady(false)
	}
	if _, err := leases.DeleteOne(t.Context(), bson.M{"_id": "migrations"}); err != nil {
		t.Fatal(err)
	}
	if text := r.untilReady(true); strings.Contains(text, "migration") {
		t.Errorf("ready, and still %s", text)
	}
}
