package assets

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	assetsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/assets/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

type icons map[string]*store.Icon

func (i icons) Get(_ context.Context, domain, digest string) (*store.Icon, error) {
	if found := i[domain+"/"+digest]; found != nil {
		return found, nil
	}
	return nil, store.ErrNotFound
}

func TestIconsByDigest(t *testing.T) {
	digest := strings.Repeat("a", digestLength)
	s := New(icons{"d1/" + digest: {MediaType: "image/png", Content: []byte("x")}})
	got, err := s.GetIcon(t.Context(), &assetsv1.GetIconRequest{Domain: "d1", Digest: digest})
	if err != nil || got.GetMediaType() != "image/png" || string(got.GetContent()) != "x" {
		t.Errorf("%v, %v", got, err)
	}
	for _, r := range []*assetsv1.GetIconRequest{{}, {Domain: "d2", Digest: digest}, {Domain: "d1", Digest: "../" + digest}, {Digest: digest}} {
		if _, err := s.GetIcon(t.Context(), r); status.Code(err) != codes.NotFound {
			t.Errorf("%v: %v", r, err)
		}
	}
}
