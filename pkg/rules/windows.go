package rules

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // time zones wherever the program runs
)

// Window is a part of some days of the week.
type Window struct {
	Days [7]bool // by time.Weekday
	// From and To are minutes of the day. Where To is not after From, the window ends on the following day.
	From, To int
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseWeekday reads "mon" to "sun", in any case.
func ParseWeekday(day string) (time.Weekday, bool) {
	i := slices.Index(weekdays, strings.ToLower(day))
	return time.Weekday(max(i, 0)), i >= 0
}

// ParseClock reads a time of the day, "08:00", as minutes since its beginning. "24:00" is the end of the day.
func ParseClock(text string) (minutes int, ok bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	h, m := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	if m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return h*60 + m, true
}

// ParseWindow reads "mon,tue 08:00-19:00".
func ParseWindow(text string) (Window, error) {
	var w Window
	days, hours, ok := strings.Cut(strings.TrimSpace(text), " ")
	from, to, ok2 := strings.Cut(strings.TrimSpace(hours), "-")
	if !ok || !ok2 {
		return w, fmt.Errorf("%q is no window; write \"mon,tue 08:00-19:00\"", text)
	}
	for _, name := range strings.Split(days, ",") {
		day, ok := ParseWeekday(name)
		if !ok {
			return w, fmt.Errorf("%q is no day of the week; write mon, tue, wed, thu, fri, sat or sun", name)
		}
		w.Days[day] = true
	}
	if w.From, ok = ParseClock(from); !ok || w.From == 24*60 {
		return w, fmt.Errorf("%q is no time of the day; write 08:00", from)
	}
	if w.To, ok = ParseClock(to); !ok {
		return w, fmt.Errorf("%q is no time of the day; write 19:00", to)
	}
	if w.From == w.To {
		return w, fmt.Errorf("the window %q is empty", text)
	}
	return w, nil
}

// ParseDate reads "2026-12-24".
func ParseDate(text string) (string, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return "", fmt.Errorf("%q is no date; write 2026-12-24", text)
	}
	return t.Format(time.DateOnly), nil
}

// ParseZone returns an IANA time zone. The zone of the machine is none.
func ParseZone(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone; write a name such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; write a name such as Europe/Berlin", name)
	}
	zones.Store(name, zone)
	return zone, nil
}

// zones keeps those that were asked for; there are a few hundred.
var zones sync.Map

// calendar is what inWindow is given.
type calendar struct {
	zone    *time.Location
	windows []Window
	except  []string
}

func newCalendar(zone string, windows, except []string) (c calendar, err error) {
	if c.zone, err = ParseZone(zone); err != nil {
		return c, err
	}
	for _, text := range windows {
		w, err := ParseWindow(text)
		if err != nil {
			return c, err
		}
		c.windows = append(c.windows, w)
	}
	for _, text := range except {
		date, err := ParseDate(text)
		if err != nil {
			return c, err
		}
		c.except = append(c.except, date)
	}
	return c, nil
}

// holds reports whether a moment lies in a window. What clocks on the wall show decides, so that an hour that a change of
// daylight saving leaves out is in no window, and one that comes twice is in it twice. What runs past midnight belongs to the
// day on which it began. No windows means any time of every day that is not excepted.
func (c calendar) holds(at time.Time) bool {
	local := at.In(c.zone)
	minute := local.Hour()*60 + local.Minute()
	today, before := c.open(local), c.open(local.AddDate(0, 0, -1))
	if len(c.windows) == 0 {
		return today
	}
	day, yesterday := local.Weekday(), (local.Weekday()+6)%7
	for _, w := range c.windows {
		switch {
		case w.To > w.From:
			if today && w.Days[day] && minute >= w.From && minute < w.To {
				return true
			}
		case today && w.Days[day] && minute >= w.From, before && w.Days[yesterday] && minute < w.To:
			return true
		}
	}
	return false
}

func (c calendar) open(day time.Time) bool {
	return len(c.except) == 0 || !slices.Contains(c.except, day.Format(time.DateOnly))
}
