package catalog

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// UniqueSlug is the name of the unique value that a slug is.
const UniqueSlug = "slug"

// formerSlugLife is how long a slug leads to its application after it was changed; formerSlugsKept bounds how many are kept.
const (
	formerSlugLife  = 90 * 24 * time.Hour
	formerSlugsKept = 20
)

// slugOf makes a slug of an application's name, with a number behind it where others have it.
func (s *Scene) slugOf(a *configv1.Application) (string, error) {
	s.SlugMade = true
	for n := 1; ; n++ {
		number := n
		if n > 9 || n > 1 && s.Contested {
			// Many have the name, or many want it at this moment: no use in asking for one number after the other.
			number = 2 + rand.IntN(1000*n)
		}
		candidate := NumberedSlug(a.GetName(), number)
		taken := slices.Contains(ReservedSlugs, candidate)
		if !taken && s.SlugTaken != nil {
			var err error
			if taken, err = s.SlugTaken(candidate, a.GetId()); err != nil {
				return "", err
			}
		}
		if !taken {
			return candidate, nil
		}
	}
}

// NumberedSlug is the slug that a name gives where the ones with smaller numbers are taken; the first has none.
func NumberedSlug(name string, number int) string {
	suffix := ""
	if number > 1 {
		suffix = "-" + strconv.Itoa(number)
	}
	base := slug(name)
	if most := maxSlug - len(suffix); len(base) > most {
		base = base[:most]
	}
	if base = strings.TrimRight(base, "-"); base == "" {
		base = slugWithoutLetters
	}
	return base + suffix
}

// formerSlugs returns the names by which an application may still be launched, the newest first.
func formerSlugs(now time.Time, old, a *configv1.Application) []*configv1.FormerSlug {
	former := slices.Clone(old.GetFormerSlugs())
	if was := old.GetSlug(); was != "" && was != a.GetSlug() {
		former = slices.DeleteFunc(former, func(f *configv1.FormerSlug) bool { return f.GetSlug() == was })
		former = slices.Insert(former, 0, &configv1.FormerSlug{Slug: was, Until: timestamppb.New(now.Add(formerSlugLife))})
	}
	former = slices.DeleteFunc(former, func(f *configv1.FormerSlug) bool {
		return f.GetSlug() == a.GetSlug() || !f.GetUntil().AsTime().After(now)
	})
	if len(former) == 0 {
		return nil
	}
	return former[:min(len(former), formerSlugsKept)]
}

// SlugOfOld is the slug of an application that was stored before there were any: as if it were made now, but for the numbers,
// which taken decides about.
func SlugOfOld(id, name string, registered bool, taken func(string) bool) string {
	if registered {
		return id
	}
	for n := 1; ; n++ {
		if candidate := NumberedSlug(name, n); !slices.Contains(ReservedSlugs, candidate) && !taken(candidate) {
			return candidate
		}
	}
}
