package fault

import "encoding/json"

// Consequence is what a change leads to outside of what it changes. It is refused until it is confirmed by its word.
type Consequence struct {
	// Word is what has to be confirmed: opens, closes, everyone or deletes.
	Word string `json:"word"`
	// Before and After are how many people, or things, it is about: now, and then.
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	// Uncounted says that whoever asks may not learn the numbers: they are left out.
	Uncounted bool `json:"-"`
}

// MarshalJSON leaves out numbers that are not told.
func (c Consequence) MarshalJSON() ([]byte, error) {
	if c.Uncounted {
		return json.Marshal(map[string]string{"word": c.Word})
	}
	type counted Consequence
	return json.Marshal(counted(c))
}

// Asking returns a copy of the error that asks for a consequence to be confirmed.
func (e *Error) Asking(c Consequence) *Error {
	asking := *e
	asking.Confirm = &c
	return &asking
}
