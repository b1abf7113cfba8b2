package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreExactToOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	values := make([]time.Duration, 50_000)
	for i := range values {
		values[i] = time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		h.Add(values[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[max(0, int(q*float64(len(values))+0.999999)-1)]
		got := h.Quantile(q)
		if got < want || float64(got-want) > float64(want)/128+1 {
			t.Errorf("quantile %v = %v, want %v to %v", q, got, want, want+want/128)
		}
	}
	if h.Max() != values[len(values)-1] || h.Count() != uint64(len(values)) {
		t.Errorf("max %v, count %d", h.Max(), h.Count())
	}
}

func TestHistogramBounds(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("an empty histogram is not zero")
	}
	h.Add(-time.Second)
	if h.Quantile(1) != 0 {
		t.Errorf("a negative duration counts as %v", h.Quantile(1))
	}
	h.Add(time.Hour)
	if h.Max() != time.Hour || h.Quantile(1) > time.Hour || h.Quantile(1) < 10*time.Minute {
		t.Errorf("an hour: max %v, quantile %v", h.Max(), h.Quantile(1))
	}
}

func TestEveryValueLiesInItsBucket(t *testing.T) {
	last := -1
	for _, v := range []uint64{0, 1, 127, 128, 129, 255, 256, 257, 1000, 1 << 20, 1<<20 + 1, 1<<maxBits - 1, 1 << 50} {
		i := bucket(v)
		if i < last || i >= len(Histogram{}.counts) {
			t.Errorf("bucket of %d is %d after %d", v, i, last)
		}
		last = i
		if clipped := min(v, 1<<maxBits-1); uint64(upper(i)) < clipped || (i > 0 && uint64(upper(i-1)) >= clipped) {
			t.Errorf("%d is not in (%d, %d]", v, upper(i-1), upper(i))
		}
	}
}

func TestMergeIsTheSum(t *testing.T) {
	var a, b, both Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		both.Add(d)
		if i%3 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	if a != both {
		t.Error("a merged histogram differs from one that saw everything")
	}
}
