package editor

import (
	"context"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// CountPeople returns how many people of its domain may use an application, those included of whom it depends on the moment.
func (e *Editor) CountPeople(context.Context, *configv1.Application) (int64, error) { return 0, nil }
