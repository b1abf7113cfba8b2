package launch

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Fields are the placeholders, as refusals list them.
var Fields = []string{
	"user.username", "user.email", "user.name", "user.id", attributes + "<path>", "app.slug", "domain.id",
}

const attributes = "user.attributes."

// Values are what the placeholders of a template stand for. Empty ones are absent.
type Values struct {
	Username, Email, Name, ID string
	// Attributes are those of the person. The names of a path are separated by dots; a name may have dots itself.
	Attributes map[string]any
	AppSlug    string
	DomainID   string
}

// known reports whether there is a field of this name.
func known(field string) bool {
	if path, ok := strings.CutPrefix(field, attributes); ok {
		return path != "" && !strings.HasPrefix(path, ".") && !strings.HasSuffix(path, ".") && !strings.Contains(path, "..")
	}
	switch field {
	case "user.username", "user.email", "user.name", "user.id", "app.slug", "domain.id":
		return true
	}
	return false
}

// value returns what a field stands for; empty for nothing.
func (v *Values) value(field string) string {
	switch field {
	case "user.username":
		return v.Username
	case "user.email":
		return v.Email
	case "user.name":
		return v.Name
	case "user.id":
		return v.ID
	case "app.slug":
		return v.AppSlug
	case "domain.id":
		return v.DomainID
	}
	return attribute(v.Attributes, strings.TrimPrefix(field, attributes))
}

// attribute finds a path among attributes. A name with dots is found before a path through objects.
func attribute(in map[string]any, path string) string {
	if found, ok := in[path]; ok {
		return text(found)
	}
	for end := len(path) - 1; end > 0; end-- {
		if path[end] != '.' {
			continue
		}
		if deeper, ok := in[path[:end]].(map[string]any); ok {
			if found := attribute(deeper, path[end+1:]); found != "" {
				return found
			}
		}
	}
	return ""
}

// text is the form of an attribute in a URL. Lists and objects have none.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return v.String()
	}
	return ""
}
