package domain

// Refusals returns how many refused client identifiers are remembered.
func Refusals(s *Set) int {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	return len(s.asked.refusals)
}

// Compile compiles a client although it is compiled already.
func Compile(d *Domain, clientID string) error { return d.compile(d.clients.get(clientID)).err }

// Held returns how many registered clients of a domain are held.
func Held(s *Set, id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.sources[id].apps {
		if e.use.Load() != notRegistered {
			n++
		}
	}
	if n != len(s.sources[id].registered.entries) {
		return -1
	}
	return n
}
