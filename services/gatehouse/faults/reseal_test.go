package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// ldap is a provider whose password is sealed, and changed again and again.
type ldap struct {
	w  *world
	id string
	// acknowledged is the number of the last password that was taken.
	acknowledged atomic.Int64
}

func (w *world) ldap(name string) *ldap {
	w.t.Helper()
	l := &ldap{w: w}
	l.id = w.api.Do("POST", w.in("/identities"), object{"name": name, "type": "ldap-am-idp", "configuration": configured(0)}).Text("id")
	return l
}

func configured(n int64) object {
	return object{
		"contextSourceUrl": "ldaps://ldap.example.test", "contextSourceBase": "dc=example,dc=test", "contextSourceUsername": "cn=reader,dc=example,dc=test",
		"contextSourcePassword": password(n), "userSearchFilter": "(uid={0})",
	}
}

func password(n int64) string { return fmt.Sprintf("rosebud-%d", n) }

// change changes the password until it is stopped.
func (l *ldap) change(over *atomic.Bool) {
	for n := int64(1); !over.Load(); n++ {
		answer, err := l.w.api.Try(context.Background(), "PATCH", l.w.in("/identities/"+l.id), object{"configuration": configured(n)})
		if err != nil || answer.Status != 200 {
			l.w.t.Errorf("password %d: %d %s %v", n, answer.Status, answer.Text, err)
			return
		}
		l.acknowledged.Store(n)
	}
}

// passwords opens the passwords of providers in an archive of the domain, by the identifiers of the providers. That an archive can be
// made says that everything sealed in the domain can be opened.
func (w *world) passwords() map[string]string {
	w.t.Helper()
	key, err := archive.Passphrase(passphrase)
	if err != nil {
		w.t.Fatal(err)
	}
	in, err := archive.NewReader(bytes.NewReader(exported(w.t, w.api, w.domain)), key)
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]string{}
	for {
		r, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			w.t.Fatalf("the domain can not be taken out: %v", err)
		}
		if r.Kind == "identity_provider" {
			p := new(configv1.IdentityProvider)
			if err := prototree.Archive(in.Sealer()).Decode(r.Data, p); err != nil {
				w.t.Fatal(err)
			}
			all[p.GetId()] = p.GetLdap().GetContextSourcePassword()
		}
	}
}

// TestResealingIsKilledWhileOthersWrite rotates the sealing key in the way of the handbook while two replicas take writes, and kills the
// command each time it has sealed some more, until nothing is left. Then the old key goes: everything that was acknowledged is
// there and can be opened, and nothing is sealed under the old key.
func TestResealingIsKilledWhileOthersWrite(t *testing.T) {
	w := newWorld(t, 1)
	second := w.inst.StartManagement()
	elsewhere := w.during(t)
	elsewhere.api.URL = second.URL
	made := w.granted(w.gateways[0], w.staff, passwordOf(bob, bobsPassword))
	still, here, there := w.ldap("Still"), w.ldap("Here"), elsewhere.ldap("There")
	for range 3 {
		w.api.Do("POST", w.in("/certificates"), object{"name": "more", "type": "generated-am-certificate", "configuration": object{"algorithm": "ES256"}})
	}

	// All replicas can open what the new key seals before one of them seals with it.
	old := readKeys(t, w.inst.SealingKey)[0]
	fresh := t.TempDir() + "/key"
	if err := secret.GenerateSealingKeyFile(fresh); err != nil {
		t.Fatal(err)
	}
	next := readKeys(t, fresh)[0]
	rolled := func(keys ...string) {
		t.Helper()
		if err := os.WriteFile(w.inst.SealingKey, []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*proc.Management{w.management, second} {
			m.Stop()
			m.Relaunch()
			m.Ready()
		}
	}
	rolled(old, next)
	rolled(next, old)

	m := newModel(w)
	writing := m.start(2)
	var over atomic.Bool
	var changing sync.WaitGroup
	changing.Go(func() { here.change(&over) })
	changing.Go(func() { there.change(&over) })
	ended := sync.OnceFunc(func() {
		over.Store(true)
		changing.Wait()
		writing.stop()
	})
	defer ended()
	m.await(10)

	// The command stands behind a proxy that lets one change of sealed values through, and no second one.
	p := newProxy(t, w.mongo.Address, messages)
	reseal := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), w.management.Script("reseal"), append(args, "--mongodb-uri", "mongodb://"+p.Address)...)
	}
	killed := 0
	for most := 20; ; most-- {
		if most == 0 {
			t.Fatal("resealing does not come to an end")
		}
		changes := 0
		held := p.catch(func(message []byte) bool {
			if bytes.Contains(message, []byte("$set")) && bytes.Contains(message, []byte(secret.SealedPrefix)) {
				changes++
			}
			return changes == 2
		})
		c := reseal()
		var said bytes.Buffer
		c.Stderr = &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		finished := make(chan error, 1)
		go func() { finished <- c.Wait() }()
		select {
		case err := <-finished:
			if err != nil {
				t.Fatalf("resealing beside writes: %v\n%s", err, said.String())
			}
		case <-held:
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := <-finished; err == nil {
				t.Fatal("it ended in order although it was killed")
			}
			killed++
			p.release()
			if got := w.passwords()[still.id]; got != password(0) {
				t.Fatalf("after %d kills: the password that nobody changed is %q", killed, got)
			}
			continue
		}
		p.release()
		break
	}
	if killed < 3 {
		t.Errorf("it was killed %d times only", killed)
	}
	m.await(10)
	ended()
	t.Logf("killed %d times; %d writes, and passwords up to %d and %d", killed, m.acks.Load(), here.acknowledged.Load(), there.acknowledged.Load())

	count := reseal("--count")
	if text, err := count.CombinedOutput(); err != nil || strings.Count(string(text), "not needed any more") != 1 {
		t.Errorf("values are left under the old key: %v\n%s", err, text)
	}
	rolled(next)
	if text, err := reseal("--count").CombinedOutput(); err != nil || strings.Contains(string(text), "not in the file") {
		t.Errorf("without the old key: %v\n%s", err, text)
	}
	m.check()
	m.checkLog()
	found := w.passwords()
	for _, l := range []*ldap{still, here, there} {
		if want := password(l.acknowledged.Load()); found[l.id] != want {
			t.Errorf("a provider has the password %q, want %q", found[l.id], want)
		}
	}
	w.settle()
	w.granted(w.gateways[0], w.staff, passwordOf(bob, bobsPassword))
	w.works("a token from before", w.at(w.gateways[0], "/oidc/userinfo"), made.Access)
}
