package domain

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestClients compares the trie with a map, under hashes that hardly ever, sometimes and always collide.
func TestClients(t *testing.T) {
	good := hash
	t.Cleanup(func() { hash = good })
	for name, h := range map[string]func(string) uint64{
		"different hashes":      good,
		"hashes with few bits":  func(s string) uint64 { return good(s) & 0x8000_0000_0000_041f },
		"one hash":              func(string) uint64 { return 42 },
		"hashes equal at first": func(s string) uint64 { return good(s) << 55 },
	} {
		t.Run(name, func(t *testing.T) {
			hash = h
			random := rand.New(rand.NewPCG(1, 2))
			now, model := &clients{}, map[string]*entry{}
			type version struct {
				clients *clients
				model   map[string]*entry
			}
			var versions []version
			for round := range 60 {
				edit := now.edit()
				for range random.IntN(20) + 1 {
					id := fmt.Sprintf("client-%d", random.IntN(120))
					switch held := model[id]; {
					case random.IntN(3) == 0 && held != nil:
						edit.remove(id, "somebody else")
						edit.remove(id, held.id)
						delete(model, id)
					default:
						e := &entry{
							id: fmt.Sprintf("%s-%d", id, round), clientID: id, revision: int64(round),
							template: &Template{}, lockout: Lockout{Max: round + 1}, listing: &listing{}, place: int32(round) + 1,
						}
						e.belongings.Store(&belongings{})
						e.use.Store(idle)
						e.compiled.Store(&outcome{client: &Client{ClientID: id}})
						edit.put(e)
						model[id] = e
					}
				}
				now = edit.next
				kept := map[string]*entry{}
				for id, e := range model {
					kept[id] = e
				}
				versions = append(versions, version{now, kept})
			}
			for i, v := range versions {
				seen := 0
				v.clients.all(func(*entry) { seen++ })
				if seen != len(v.model) || v.clients.size != len(v.model) {
					t.Fatalf("version %d: %d entries, size %d, want %d", i, seen, v.clients.size, len(v.model))
				}
				for n := range 130 {
					id := fmt.Sprintf("client-%d", n)
					got, want := v.clients.get(id), v.model[id]
					switch {
					case (got == nil) != (want == nil), got != nil && got.id != want.id:
						t.Fatalf("version %d: %s is %v, want %v", i, id, got, want)
					case got != nil && (got.template != want.template || got.lockout != want.lockout || got.listing != want.listing ||
						got.place != want.place || got.belongings.Load() != want.belongings.Load() || got.use.Load() != idle):
						t.Fatalf("version %d: something of %s is lost", i, id)
					case got != nil && got.compiled.Load().client.ClientID != id:
						t.Fatalf("version %d: what %s was compiled to is lost", i, id)
					}
				}
			}
		})
	}
}
