package branding

import (
	"fmt"
	"math"
	"strconv"
)

// color is a colour of sRGB; its parts are 0 to 1.
type color struct{ r, g, b float64 }

var (
	white = color{1, 1, 1}
	black = color{}
	ink   = hex("#161b26")
)

// parse reads a colour like #3346c4, in any case.
func parse(text string) (color, bool) {
	if len(text) != 7 || text[0] != '#' {
		return color{}, false
	}
	n, err := strconv.ParseUint(text[1:], 16, 32)
	if err != nil {
		return color{}, false
	}
	return color{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, true
}

// hex is parse for our own colours.
func hex(text string) color {
	c, ok := parse(text)
	if !ok {
		panic("branding: " + text + " is no colour")
	}
	return c
}

// String is the colour as style sheets write it. What is measured is what is written, so all colours are rounded to it.
func (c color) String() string {
	part := func(v float64) int { return int(math.Round(min(max(v, 0), 1) * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", part(c.r), part(c.g), part(c.b))
}

// mixed is so much of the way to another colour: 0 is c, 1 the other.
func (c color) mixed(o color, share float64) color {
	part := func(a, b float64) float64 { return math.Round((a+(b-a)*share)*255) / 255 }
	return color{part(c.r, o.r), part(c.g, o.g), part(c.b, o.b)}
}

// luminance is the relative luminance (WCAG 2.2).
func (c color) luminance() float64 {
	part := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c.r) + 0.7152*part(c.g) + 0.0722*part(c.b)
}

// contrast is the contrast ratio of two colours, 1 to 21 (WCAG 2.2).
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// against returns the colour nearest to c, on the way to black or white, that has a contrast with all of others. Where no colour has
// it with all of them, which takes others that lie far apart, it is the end of the way.
func (c color) against(ratio float64, end color, others ...color) color {
	const steps = 128
	for i := range steps {
		tried := c.mixed(end, float64(i)/steps)
		good := true
		for _, o := range others {
			good = good && contrast(tried, o) >= ratio
		}
		if good {
			return tried
		}
	}
	return end
}

// away is black on light colours and white on dark ones: of the two the one that contrasts more.
func away(from color) color {
	if contrast(white, from) > contrast(black, from) {
		return white
	}
	return black
}
