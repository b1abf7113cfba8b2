package gateway

import "testing"

func TestGrowth(t *testing.T) {
	tests := []struct {
		name string
		live uint64
		want int
	}{
		{"before the first collection", 0, 400},
		{"a gateway that holds little is bounded by what it holds", 8 << 20, 400},
		{"in between the spare heap decides", 32 << 20, 200},
		{"a gateway that holds much collects as Go does", 700 << 20, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := growth(tt.live); got != tt.want {
				t.Errorf("growth(%d) = %d, want %d", tt.live, got, tt.want)
			}
		})
	}
}
