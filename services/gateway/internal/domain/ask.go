package domain

// MayAsk reports whether management may be asked about something that a caller names and may have made up, beside clients: such
// questions share the bound of those about unknown clients, and those about what was Found lately the wider one of known clients. False
// means that there was no such thing a moment ago. An error means that too many questions were asked.
func (s *Set) MayAsk(domain, about string) (bool, error) {
	question := domain + "/" + about
	return s.asked.allow(limited{domain, s.asked.isProven(question)}, question)
}

// Refused remembers for a second that there is no such thing.
func (s *Set) Refused(domain, about string) { s.asked.refuse(domain + "/" + about) }

// Found remembers for some minutes that there is such a thing, so that whoever makes others up takes nothing from those who use it.
func (s *Set) Found(domain, about string) { s.asked.prove(domain + "/" + about) }
