package mailer

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer/mailtest"
)

const (
	smtpTime  = 500 * time.Millisecond // what connecting and one letter may take here
	putOff    = "the letter waits and is tried again"
	delivered = "the letter is delivered"
)

// managementToMail is what is stated of the way to the mail server; see deploy/handbook/failures.md.
var managementToMail = faultproxy.Pair{
	Name: "management → mail server",
	Meanwhile: "everything else: letters wait in the database, sealed, and are tried eight times over hours. Each attempt has a connection of its own " +
		"and ends within twice `--smtp-timeout`; here that is 500 ms.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Latency(10*time.Millisecond, 0), Seen: delivered, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Cut, Seen: putOff, By: 2 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Refused, Seen: putOff, By: 2 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: putOff, By: 2 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Stalled, Seen: putOff, By: 2 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.AnswersLost, Seen: putOff, By: 2 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.SlowClose, Seen: delivered, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Truncated(100), Seen: putOff, By: 2 * time.Second, Back: 2 * time.Second},
	},
}

func TestNetworkToTheMailServer(t *testing.T) {
	if err := managementToMail.StatedIn(filepath.Join("..", "..", "..", "..", "deploy", "handbook", "failures.md")); err != nil {
		t.Error(err)
	}
	s := mailtest.New(t, mailtest.Options{})
	network, err := faultproxy.Listen("", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = network.Close() })
	known := settings(t, s, func(c *Configured) {
		insecure(c)
		c.URL = "smtp://" + network.Address()
	})
	send := func(patience time.Duration) string {
		known.Timeout = patience
		switch err := deliver(t.Context(), known, letter(), time.Now()); {
		case err == nil:
			return delivered
		case refused(err):
			return "the letter is given up: " + err.Error()
		}
		return putOff
	}
	for _, row := range managementToMail.Rows {
		t.Run(row.Fault.String(), func(t *testing.T) {
			before := len(s.Letters())
			if err := network.Set(row.Fault); err != nil {
				t.Fatal(err)
			}
			patience := smtpTime
			if row.Seen == delivered {
				patience = 20 * time.Second
			}
			began := time.Now()
			if got := send(patience); got != row.Seen {
				t.Errorf("%s, stated is: %s", got, row.Seen)
			}
			if took := time.Since(began); took > faultproxy.Allowed(row.By) {
				t.Errorf("after %s", took)
			}
			if err := network.Heal(); err != nil {
				t.Fatal(err)
			}
			if got := send(20 * time.Second); got != delivered {
				t.Errorf("afterwards: %s", got)
			}
			want := 1
			if row.Seen == delivered {
				want = 2
			}
			if got := len(s.Await(before + want)); got != before+want {
				t.Errorf("%d letters arrived, want %d", got-before, want)
			}
		})
	}
	if open := network.Open(); open > 2 { // those that end just now
		t.Errorf("%d connections are open", open)
	}
}

// TestALetterWhoseServerIsSilentAtTheEnd: it was taken, and nobody says so. It is tried again: twice is better than never, and the
// Message-ID is the same.
func TestALetterWhoseServerIsSilentAtTheEnd(t *testing.T) {
	var network *faultproxy.Proxy
	lost := false
	s := mailtest.New(t, mailtest.Options{Refuse: func(step, _ string) error {
		if step == "data" && !lost {
			lost = true
			return network.Set(faultproxy.AnswersLost)
		}
		return nil
	}})
	network, err := faultproxy.Listen("", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = network.Close() })
	known := settings(t, s, func(c *Configured) {
		insecure(c)
		c.URL, c.Timeout = "smtp://"+network.Address(), 2*time.Second
	})
	if err := deliver(t.Context(), known, letter(), time.Now()); err == nil || refused(err) {
		t.Errorf("err = %v", err)
	}
	if err := network.Heal(); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t.Context(), known, letter(), time.Now()); err != nil {
		t.Error(err)
	}
	letters := s.Await(2)
	if a, b := letters[0].Header.Get("Message-Id"), letters[1].Header.Get("Message-Id"); a != b || !strings.Contains(a, "id.0") {
		t.Errorf("%q and %q", a, b)
	}
}
