package subject_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/subject"
)

// TestNamesAreForEver: people would become strangers to their clients if this changed.
func TestNamesAreForEver(t *testing.T) {
	if got := subject.Of("staff", "ann"); got != "14f03179-6cec-5640-b5da-b11e873933b0" {
		t.Errorf("ann is %s", got)
	}
	if got := subject.Guest("https://partner.example", "ann"); got != "c50a6c5b-b7c7-52e0-bcf9-63f08062242a" {
		t.Errorf("the guest is %s", got)
	}
}

func TestAGuestIsNobodyElse(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{
		subject.Of("staff", "ann"), subject.Of("https://partner.example", "ann"), subject.Of("https", "//partner.example ann"),
		subject.Guest("https://partner.example", "ann"), subject.Guest("https://other.example", "ann"),
	} {
		if seen[name] {
			t.Errorf("%s names two", name)
		}
		seen[name] = true
	}
}
