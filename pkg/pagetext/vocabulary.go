package pagetext

import (
	"fmt"
	"maps"
)

// Type is what a member of a vocabulary is.
type Type string

// The types of members.
const (
	String Type = "text"
	Link   Type = "link"    // text that is a URL
	Number Type = "number"  // a whole number
	Truth  Type = "boolean" // true or false
	Group  Type = "group"   // has members of its own
	List   Type = "list"    // entries that have members, or that are text if they have none
)

// Member is something that a text may say, such as {{.application.name}}.
type Member struct {
	Name string
	Type Type
	Doc  string
	// Members are those of a group, or of each entry of a list.
	Members []Member

	sample any
}

// Vocabulary is what one page or e-mail may say.
type Vocabulary struct {
	// Name is the name of the template, in lower case: oauth2_user_consent.
	Name string
	// Members are in the order of documentation.
	Members []Member

	standard, subject string
}

// MaxEntries is how many entries of a list a text can be given.
const MaxEntries = 256

// Sample returns values for a preview: nobody's data, every member with a value. They may be changed.
func (v *Vocabulary) Sample() map[string]any { return samples(v.Members) }

// Standard returns the text of the product's own page or e-mail, and the subject of an e-mail.
func (v *Vocabulary) Standard() (content, subject string) { return v.standard, v.subject }

func samples(members []Member) map[string]any {
	all := make(map[string]any, len(members))
	for _, m := range members {
		switch sample := m.sample.(type) {
		case []map[string]any:
			entries := make([]map[string]any, len(sample))
			for i, entry := range sample {
				entries[i] = maps.Clone(entry)
			}
			all[m.Name] = entries
		case nil:
			if m.Type == Group {
				all[m.Name] = samples(m.Members)
			}
		default:
			all[m.Name] = sample
		}
	}
	return all
}

// fill copies what the members take of values. Where there is nothing they get their zero value, so that a text never
// meets a member that is missing. Values that are not of the member's type are a mistake of the caller.
func fill(members []Member, values map[string]any) (map[string]any, error) {
	all := make(map[string]any, len(members))
	for _, m := range members {
		value, err := m.take(values[m.Name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		all[m.Name] = value
	}
	return all, nil
}

func (m Member) take(value any) (any, error) {
	switch m.Type {
	case Group:
		group, ok := value.(map[string]any)
		if !ok && value != nil {
			break
		}
		return fill(m.Members, group)
	case List:
		return m.takeList(value)
	case Truth:
		switch value := value.(type) {
		case nil:
			return false, nil
		case bool:
			return value, nil
		}
	case Number:
		switch value := value.(type) {
		case nil:
			return int64(0), nil
		case int:
			return int64(value), nil
		case int32:
			return int64(value), nil
		case int64:
			return value, nil
		}
	default:
		switch value := value.(type) {
		case nil:
			return "", nil
		case string:
			return value, nil
		}
	}
	return nil, fmt.Errorf("a %T is no %s", value, m.Type)
}

func (m Member) takeList(value any) (any, error) {
	switch value := value.(type) {
	case nil:
		return []any{}, nil
	case []string:
		if m.Members != nil || len(value) > MaxEntries {
			break
		}
		entries := make([]any, len(value))
		for i, text := range value {
			entries[i] = text
		}
		return entries, nil
	case []map[string]any:
		if m.Members == nil || len(value) > MaxEntries {
			break
		}
		entries := make([]any, len(value))
		for i, entry := range value {
			filled, err := fill(m.Members, entry)
			if err != nil {
				return nil, err
			}
			entries[i] = filled
		}
		return entries, nil
	}
	return nil, fmt.Errorf("a %T is no list of at most %d entries", value, MaxEntries)
}

// find returns the member with a name, or nil.
func find(members []Member, name string) *Member {
	for i := range members {
		if members[i].Name == name {
			return &members[i]
		}
	}
	return nil
}
