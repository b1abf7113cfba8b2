package faults

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/backing"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// secondAttempt is when the second attempt to deliver a letter is over, a minute after the first.
const secondAttempt = 80 * time.Second

const putOff = "e-mail not sent, trying again"

var forALetter = faultproxy.Pair{
	Name: "management → mail server, for whoever has asked for a letter",
	Meanwhile: "everything else, letters to the database as well: nobody waits for the mail server. A letter that could not be delivered is tried again after a minute, " +
		"then after 5 minutes and longer; in these rows the second attempt delivers it.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Cut, Seen: "201", By: 2 * time.Second, Back: secondAttempt},
		{Fault: faultproxy.HalfOpen, Seen: "201", By: 2 * time.Second, Back: secondAttempt},
	},
}

// TestNetworkToTheMailServerOfManagement invites people while the way to the mail server fails.
func TestNetworkToTheMailServerOfManagement(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	server, err := backing.ListenMail(backing.MailOptions{Dir: dir, Address: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	over := make(chan error, 1)
	go func() { over <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	network := behind(t, strings.TrimPrefix(server.URL(), "smtp://"))
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	t.Cleanup(w.nothingPanicked)
	w.management = w.inst.StartManagement(
		"--smtp-url", "smtp://"+network.Address(), "--smtp-insecure", "--smtp-timeout", "1s", "--mail-from", "no-reply@example.test", "--gateway-url", publicURL)
	w.furnish()
	letters := func() int {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	invited := 0
	invite := func(t *testing.T) (string, time.Duration) {
		t.Helper()
		invited++
		name := fmt.Sprintf("invited%d", invited)
		began := time.Now()
		answer, err := w.api.Try(t.Context(), "POST", w.in("/users"), object{
			"firstName": "Invited", "lastName": "Guest", "username": name, "email": name + "@example.test", "preRegistration": true,
		})
		return outcome(answer, err), time.Since(began)
	}
	arrived := func(t *testing.T, within time.Duration) {
		t.Helper()
		proc.Await(t, "all letters have arrived", within, func(context.Context) error {
			if n := letters(); n < invited {
				return fmt.Errorf("%d of %d", n, invited)
			}
			return nil
		})
	}
	if got, _ := invite(t); got != "201" {
		t.Fatal(got)
	}
	arrived(t, soon)
	for _, row := range forALetter.Rows {
		t.Run(row.Fault.String(), func(t *testing.T) {
			w := w.during(t)
			if err := network.Set(row.Fault); err != nil {
				t.Fatal(err)
			}
			tried, there := network.Taken(), letters()
			got, took := invite(t)
			if got != row.Seen || took > faultproxy.Allowed(row.By) {
				t.Errorf("seen: %s after %s, stated is %s within %s", got, took, row.Seen, row.By)
			}
			w.management.Await("a letter is put off", soon, func(context.Context) error {
				if n := strings.Count(w.management.Stderr(), putOff); n < invited-1 {
					return fmt.Errorf("%d times, %d connections", n, network.Taken()-tried)
				}
				return nil
			})
			if answer, err := fetch(t.Context(), w.management.TechnicalURL+"/readyz", ""); err != nil || answer.Status != http.StatusOK {
				t.Errorf("readiness: %d %v", answer.Status, err)
			}
			if n := letters(); n != there {
				t.Errorf("%d letters have arrived", n-there)
			}
			if err := network.Heal(); err != nil {
				t.Fatal(err)
			}
			arrived(t, faultproxy.Allowed(row.Back))
		})
	}
}
