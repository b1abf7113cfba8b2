package clientauth

// SameSubject compares a subject with a text; a text that is no name is none.
func SameSubject(der []byte, text string) bool {
	same, err := sameSubject(der, text)
	return same && err == nil
}
