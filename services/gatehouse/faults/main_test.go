package faults

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestMain(m *testing.M) { proc.Main(m) }
