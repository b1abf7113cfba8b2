package domain

// Refusals returns how many refused client identifiers are remembered.
func Refusals(s *Set) int {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	return len(s.asked.refusals)
}

// Compile compiles a client although it is compiled already.
func Compile(d *Domain, clientID string) error { return d.compile(d.clients.get(clientID)).err }
