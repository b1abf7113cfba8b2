//go:build unix

package access_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"

	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// BenchmarkReports measures reports on 1,000 applications of 20 bindings and 100,000 people in 200 groups. The goal is a first page
// within a second. Cold is the first report of a process, which reads everybody.
func BenchmarkReports(b *testing.B) {
	const people, groups, apps = 100_000, 200, 1000
	h := newHouse(b)
	db := storetest.Database(b, h.options)
	insert := func(collection string, n int, one func(i int) any) {
		for from := 0; from < n; from += 5000 {
			var docs []any
			for i := from; i < min(from+5000, n); i++ {
				docs = append(docs, one(i))
			}
			if _, err := db.Collection(collection).InsertMany(b.Context(), docs); err != nil {
				b.Fatal(err)
			}
		}
	}
	insert("users", people, func(i int) any {
		name := fmt.Sprintf("person%06d", i)
		return bson.M{"_id": "u" + name, "domain": h.domain, "revision": int64(1), "username": name, "firstName": "Person", "lastName": name,
			"email": name + "@example.com", "enabled": true, "_sort": name, "_unique_username": "u/" + name, "_unique_subject": "s/" + name,
			"_words": bson.A{name}}
	})
	insert("memberships", 2*people, func(i int) any {
		group, user := fmt.Sprintf("g%d", (i*7+i/people)%groups), fmt.Sprintf("uperson%06d", i%people)
		return bson.M{"_id": fmt.Sprintf("%s/%d/%s", h.domain, i, user), "domain": h.domain, "group": group, "user": user, "at": time.Now()}
	})
	var all []resource.Resource
	for i := range groups {
		g := &configv1.Group{Id: fmt.Sprintf("g%d", i), Domain: h.domain, Revision: 1, Name: fmt.Sprintf("Group %d", i)}
		if i > 0 && i%10 == 0 {
			g.Groups = []string{fmt.Sprintf("g%d", i-1), fmt.Sprintf("g%d", i-2)}
		}
		all = append(all, g)
	}
	for i := range apps {
		a := &configv1.Application{Id: fmt.Sprintf("a%d", i), Domain: h.domain, Revision: 1, Name: fmt.Sprintf("App %d", i),
			Slug: fmt.Sprintf("app-%d", i), Enabled: proto.Bool(true)}
		for n := range 20 {
			bound := &configv1.Binding{Id: fmt.Sprintf("b%d-%d", i, n), Group: fmt.Sprintf("g%d", (i+n*3)%groups), Order: proto.Int32(int32(n))}
			if n == 7 {
				bound.Group, bound.User = "", fmt.Sprintf("uperson%06d", i)
			}
			a.Bindings = append(a.Bindings, bound)
		}
		if i == 0 { // everybody has to be read for this one
			a.Bindings = []*configv1.Binding{{Id: "p", Policy: "example"}}
		}
		all = append(all, a)
	}
	all = append(all, &configv1.Policy{Id: "example", Domain: h.domain, Revision: 1, Name: "example", Config: &configv1.Policy_ByExpression{
		ByExpression: &configv1.ExpressionPolicy{Expression: `user.email.endsWith("7@example.com")`},
	}})
	for _, r := range all[groups : groups+4] { // those that the requests name
		if _, err := h.store.Write(b.Context(), store.Change{Ops: []store.Op{{New: r}}}); err != nil {
			b.Fatal(err)
		}
	}
	held := image.New()
	held.Load(held.Begin(), 10, all)
	h.view(held)

	began, used := time.Now(), cpuTime(b)
	list := h.must("GET", "/applications/a1/access/users?size=50", "")
	_, _ = fmt.Fprintf(os.Stdout, "loading everybody, and the first page: %v, of which this process computed %v; %v of %d people\n",
		time.Since(began).Round(time.Millisecond), (cpuTime(b) - used).Round(time.Millisecond), list["totalCount"], people)
	run := func(name, path string) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h.must("GET", path, "")
			}
		})
	}
	run("users", "/applications/a2/access/users?size=50")
	run("last-page", "/applications/a2/access/users?size=50&page=100")
	run("search", "/applications/a2/access/users?q=person0999*")
	run("opens", "/users/uperson000500/access?size=50")
	run("grants", "/groups/g7/access?size=50")
	b.Run("after-a-change", func(b *testing.B) { // of another replica, as it is for a picture
		for b.Loop() {
			if _, err := h.store.Memberships().Add(b.Context(), h.domain, "g2", []string{fmt.Sprintf("uperson%06d", b.N)}); err != nil {
				b.Fatal(err)
			}
			h.must("GET", "/applications/a2/access/users?size=50", "")
		}
	})
	b.Run("impact", func(b *testing.B) {
		for b.Loop() {
			h.must("POST", "/applications/a3/access/_impact", `{"proposed":{"bindings":[{"user":"uperson000500"}]}}`)
		}
	})
	b.Run("csv", func(b *testing.B) {
		for b.Loop() {
			if status, text := h.send("GET", "/applications/a2/access/users", "", "text/csv"); status != 200 || strings.Count(string(text), "\n") < 1000 {
				b.Fatal(status, len(text))
			}
		}
	})
	run("everybody-read", "/applications/a0/access/users?size=50") // a policy looks at more than groups
}

// cpuTime is what this process has computed.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
