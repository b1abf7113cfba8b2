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

// Belonging returns how many forms and flows of applications a domain holds.
func Belonging(s *Set, id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	src, n, listed := s.sources[id], 0, 0
	for _, own := range src.belongings {
		n += len(own.forms) + len(own.flows)
	}
	for _, part := range src.forms {
		if part.key.application != "" {
			listed++
		}
	}
	for _, part := range src.flows {
		if src.ownerOf(part.message) != "" {
			listed++
		}
	}
	if n != listed {
		return -1
	}
	return n
}

// Beyond returns how many registered clients that are not held a domain knows of.
func Beyond(s *Set, id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[id].beyond == nil {
		return 0
	}
	return len(s.sources[id].beyond.clients)
}
