package idp

import "strings"

// Member returns a member of what a provider said: the one of that name, or else what a way through objects, such as
// address.country, leads to; nil if there is none.
func Member(profile map[string]any, name string) any {
	if v, ok := profile[name]; ok {
		return v
	}
	var at any = profile
	for step := range strings.SplitSeq(name, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[step]
	}
	return at
}
