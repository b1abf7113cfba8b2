package contexts

import (
	"io/fs"
	"testing"
)

func TestWhatOthersCanRead(t *testing.T) {
	for _, tt := range []struct {
		system string
		mode   fs.FileMode
		want   bool
	}{
		{"linux", 0o600, false},
		{"linux", 0o640, true},
		{"darwin", 0o602, true},
		{"windows", 0o666, false}, // which Go says of every file there
		{"windows", 0o444, false},
	} {
		if got := shared(tt.system, tt.mode); got != tt.want {
			t.Errorf("%v on %s: %t", tt.mode, tt.system, got)
		}
	}
}
