package management_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// heap is what is alive, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap is that large
}

// measured are looks at the heap while something goes on, each with how many people have passed.
type measured struct {
	people []int
	heap   []int64
}

func (m *measured) look(people int) {
	m.people, m.heap = append(m.people, people), append(m.heap, heap())
}

// perPerson is by how much the heap has grown from the first look to the last, for each person that passed meanwhile.
func (m *measured) perPerson() float64 {
	last := len(m.people) - 1
	return float64(m.heap[last]-m.heap[0]) / float64(m.people[last]-m.people[0])
}

func (m *measured) most() int64 {
	most := m.heap[0]
	for _, h := range m.heap {
		most = max(most, h)
	}
	return most
}

// looks is how often the heap is looked at.
const looks = 5

// crowd writes an archive like another one with so many more applications and people, and looks at the heap as people pass.
func crowd(out io.Writer, like []byte, applications, people int, m *measured) error {
	key, err := archive.Passphrase(passphrase)
	if err != nil {
		return err
	}
	in, err := archive.NewReader(bytes.NewReader(like), key)
	if err != nil {
		return err
	}
	w, err := archive.NewWriter(out, key, in.Header(), time.Now())
	if err != nil {
		return err
	}
	write := func(kind string, message proto.Message) error {
		tree, err := prototree.Archive(w.Sealer()).Encode(message)
		if err != nil {
			return err
		}
		return w.Write(kind, tree)
	}
	var robot *configv1.Application
	var ann *directoryv1.User
	for {
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var one proto.Message
		switch record.Kind {
		case "user":
			ann = new(directoryv1.User)
			one = ann
		case "membership", "link", "consent", "icon", "registration_token", "client_secret_value":
			continue
		default:
			one = resource.New(record.Kind)
		}
		if err := prototree.Archive(in.Sealer()).Decode(record.Data, one); err != nil {
			return err
		}
		if a, ok := one.(*configv1.Application); ok && a.GetName() == "robot" {
			robot = a
			for n := range applications {
				more := proto.CloneOf(robot)
				more.Id, more.Name, more.Slug = fmt.Sprintf("00000000-0000-4000-8000-%012d", n), fmt.Sprintf("robot %d", n), fmt.Sprintf("robot-%d", n)
				more.GetSettings().GetOauth().ClientId = more.GetId()
				for i, s := range more.GetSecrets() {
					s.Id = fmt.Sprintf("00000000-0000-4000-8001-%010d%02d", n, i)
				}
				if err := write("application", more); err != nil {
					return err
				}
			}
		}
		if err := write(record.Kind, one); err != nil {
			return err
		}
	}
	for n := range people {
		more := proto.CloneOf(ann)
		more.Id, more.Username, more.Email = fmt.Sprintf("00000000-0000-4000-8002-%012d", n), fmt.Sprintf("person%d", n), fmt.Sprintf("person%d@example.com", n)
		more.Subject = more.GetId()
		if err := write("user", more); err != nil {
			return err
		}
		if n > 0 && n%(people/looks) == 0 {
			m.look(n)
		}
	}
	return w.Close()
}

// broughtIn brings a crowd in, and returns where, and the looks at the heap meanwhile and at rest before it.
func broughtIn(t testing.TB, applications, people int) (to *running, domain string, atRest int64, in measured) {
	t.Helper()
	from := newHouse(t).startReady()
	to = newHouse(t).startReady()
	domain = furnished(from, "Shop")
	like := from.export("/domains/" + domain + "/_export")
	if err := from.stop(); err != nil {
		t.Fatal(err)
	}
	atRest = heap()
	read, sends := io.Pipe()
	go func() {
		_, _ = io.WriteString(sends, sealedWith+"\n")
		_ = sends.CloseWithError(crowd(sends, like, applications, people, &in))
	}()
	answer := to.flow("/domains/_import", "application/x-ndjson", read)
	var last [512]byte // the end of the answer
	for {
		n, err := answer.Read(last[:])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text := string(last[:n]); strings.Contains(text, `"refused"`) || strings.Contains(text, `"failed"`) {
			t.Fatalf("%s", text)
		}
	}
	_ = answer.Close()
	return to, domain, atRest, in
}

// takenOut takes a crowd out, and returns the looks at the heap meanwhile.
func takenOut(t testing.TB, to *running, domain string, applications, people int) (out measured) {
	t.Helper()
	answer := to.flow("/domains/"+domain+"/_export", "application/json", strings.NewReader(sealedWith))
	defer answer.Close()
	key, err := archive.Passphrase(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	archived, err := archive.NewReader(answer, key)
	if err != nil {
		t.Fatal(err)
	}
	for passed := 0; ; {
		record, err := archived.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if record.Kind == "user" {
			if passed++; passed%(people/looks) == 0 {
				out.look(passed)
			}
		}
	}
	if c := archived.Counts(); c["user"] != int64(people)+1 || c["application"] != int64(applications)+2 {
		t.Errorf("taken out are %v", c)
	}
	return out
}

// flow sends a body and returns the answer while it comes.
func (r *running) flow(path, media string, body io.Reader) io.ReadCloser {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+r.Addr()+"/management"+path, body)
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	request.Header.Set("Content-Type", media)
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		r.Fatalf("%s: %v %v", path, answer, err)
	}
	return answer.Body
}

// TestMemoryOfTransfersDoesNotGrowWithThePeople: an import remembers that somebody was there, and no more of them; an export nothing.
func TestMemoryOfTransfersDoesNotGrowWithThePeople(t *testing.T) {
	const applications, people = 100, 4000
	to, domain, _, in := broughtIn(t, applications, people)
	out := takenOut(t, to, domain, applications, people)
	// A person takes more than 1000 bytes.
	if got := in.perPerson(); got > 250 {
		t.Errorf("an import keeps %.0f bytes of each person: %v at %v", got, in.heap, in.people)
	}
	if got := out.perPerson(); got > 250 {
		t.Errorf("an export keeps %.0f bytes of each person: %v at %v", got, out.heap, out.people)
	}
}

// BenchmarkImportOfALargeDomain measures a domain with 20,000 applications and 50,000 people: how much more is alive than at rest.
func BenchmarkImportOfALargeDomain(b *testing.B) {
	for b.Loop() {
		_, _, atRest, in := broughtIn(b, 20_000, 50_000)
		b.ReportMetric(float64(in.most()-atRest)/(1<<20), "MiB")
		b.ReportMetric(in.perPerson(), "B/person")
	}
}
