package comment_test

import (
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/comment"
)

func TestCommentsOfTheContracts(t *testing.T) {
	md := (&configv1.Domain{}).ProtoReflect().Descriptor()
	if got := comment.Of(md); !strings.HasPrefix(got, "A Domain ") || strings.Contains(got, "\n ") {
		t.Errorf("of a message: %q", got)
	}
	if got := comment.Of((&configv1.LDAPProvider{}).ProtoReflect().Descriptor().Fields().ByName("context_source_base")); got == "" {
		t.Error("a field has no comment")
	}
	if got := comment.Of(md.Fields().ByName("id")); got != "" {
		t.Errorf("of a field without comment: %q", got)
	}
}

func TestAnImageThatIsNone(t *testing.T) {
	if _, err := comment.Extract([]byte("no image")); err == nil {
		t.Error("was read")
	}
}
