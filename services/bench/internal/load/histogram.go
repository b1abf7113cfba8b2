package load

import (
	"math/bits"
	"time"
)

// Each power of two of nanoseconds is divided into this many buckets, so a value is known to within 1/128.
const (
	subBits    = 7
	subBuckets = 1 << subBits
)

// maxBits bounds what is told apart: about 18 minutes. Longer times count as that.
const maxBits = 40

// Histogram counts durations in buckets whose width grows with the value. The zero value is empty and usable. It is not
// safe for concurrent use: each worker has its own, and Merge joins them.
type Histogram struct {
	counts [(maxBits - subBits + 1) * subBuckets]uint64
	total  uint64
	max    time.Duration
}

// Add counts one duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds what another histogram counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that the share q (0 to 1) of all values do not exceed, too large by at most 1/128. An empty
// histogram returns 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(min(max(q, 0), 1)*float64(h.total) + 0.999999)
	rank = min(max(rank, 1), h.total)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// bucket returns the place of a value. Values below subBuckets have a bucket each.
func bucket(v uint64) int {
	v = min(v, 1<<maxBits-1)
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

// upper returns the largest value of a bucket.
func upper(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	first := uint64(i%subBuckets+subBuckets) << shift
	return time.Duration(first + 1<<shift - 1)
}
