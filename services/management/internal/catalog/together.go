package catalog

import (
	"errors"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

// Together makes one refusal of several, with all their places. What is no refusal of a body comes before them, as it is.
func Together(all ...error) error {
	var refused []*fault.Error
	for _, err := range all {
		if err == nil {
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid {
			return err
		}
		refused = append(refused, f)
	}
	switch len(refused) {
	case 0:
		return nil
	case 1:
		return refused[0]
	}
	texts := make([]string, len(refused))
	var details []fault.Detail
	for i, f := range refused {
		texts[i] = f.Message
		details = append(details, f.Details...)
	}
	return fault.Invalidf("%s", strings.Join(texts, " ")).With(details...)
}
