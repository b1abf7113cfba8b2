package icon

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	svgSpace   = "http://www.w3.org/2000/svg"
	xlinkSpace = "http://www.w3.org/1999/xlink"

	// What a picture may have, so that whoever sees it pays no more than it looks like.
	maxDepth    = 32
	maxElements = 4000
	maxShapes   = 256 << 10 // bytes of outlines: of d and points together
	maxWritten  = 16 << 10  // bytes of text
)

// elements are those that draw. Others are left out with all that is in them: scripts, animations (which can set a reference to
// something else), foreign objects, pictures, links, and style sheets, which can fetch; and masks, clipping paths, filters,
// patterns and markers, each of which draws what it refers to anew, so that a chain of them multiplies.
var elements = words(`svg g path rect circle ellipse line polyline polygon text tspan title desc defs linearGradient radialGradient
	stop`)

// attributes are those that say what is drawn, how and where. Dashes are not among them: a short line has millions of them if
// they are short enough.
var attributes = words(`id viewBox width height x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy d points transform version
	preserveAspectRatio gradientUnits gradientTransform spreadMethod offset pathLength
	fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit opacity color
	stop-color stop-opacity display visibility vector-effect paint-order
	font-family font-size font-weight font-style text-anchor dominant-baseline letter-spacing shape-rendering text-rendering
	color-interpolation overflow role aria-label aria-hidden style href lang`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}

// cleanSVG writes a picture anew from what it knows of it. What does not parse strictly is refused, and so is use, with which a
// few lines draw more than any browser can.
func cleanSVG(content []byte) ([]byte, error) {
	d := xml.NewDecoder(bytes.NewReader(content))
	d.Strict = true
	var out bytes.Buffer
	var open []string
	drawn := false
	var seen contents
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no well-formed XML in UTF-8 (line %d)", lineOf(d))
		}
		switch t := token.(type) {
		case xml.StartElement:
			name := t.Name.Local
			if len(open) == 0 && (drawn || name != "svg" || t.Name.Space != svgSpace) {
				return nil, errors.New("its root is not one svg element of the SVG namespace")
			}
			if name == "use" {
				return nil, errors.New("use is not allowed: draw what it repeats")
			}
			if t.Name.Space != svgSpace || !elements[name] {
				if err := d.Skip(); err != nil {
					return nil, fmt.Errorf("it is no well-formed XML (line %d)", lineOf(d))
				}
				continue
			}
			if len(open) >= maxDepth {
				return nil, fmt.Errorf("it is nested deeper than %d elements", maxDepth)
			}
			if err := seen.element(t); err != nil {
				return nil, err
			}
			writeStart(&out, t, len(open) == 0)
			open, drawn = append(open, name), true
		case xml.EndElement:
			open = open[:len(open)-1]
			out.WriteString("</" + t.Name.Local + ">")
		case xml.CharData:
			if len(open) > 0 {
				if seen.written += len(bytes.TrimSpace(t)); seen.written > maxWritten {
					return nil, fmt.Errorf("it has more than %d KiB of text", maxWritten>>10)
				}
				// The buffer takes everything.
				_ = xml.EscapeText(&out, t)
			}
		}
		if out.Len() > MaxSize {
			return nil, errors.New("it is larger than 512 KiB")
		}
	}
	if !drawn {
		return nil, errors.New("it is empty")
	}
	return out.Bytes(), nil
}

// contents are what was found of a picture so far.
type contents struct{ elements, shapes, written int }

// element counts an element that stays.
func (p *contents) element(t xml.StartElement) error {
	if p.elements++; p.elements > maxElements {
		return fmt.Errorf("it has more than %d elements", maxElements)
	}
	for _, a := range t.Attr {
		if a.Name.Local == "d" || a.Name.Local == "points" {
			p.shapes += len(a.Value)
		}
	}
	if p.shapes > maxShapes {
		return fmt.Errorf("its outlines have more than %d KiB of data", maxShapes>>10)
	}
	return nil
}

func lineOf(d *xml.Decoder) int {
	line, _ := d.InputPos()
	return line
}

func writeStart(out *bytes.Buffer, t xml.StartElement, root bool) {
	out.WriteString("<" + t.Name.Local)
	if root {
		out.WriteString(` xmlns="` + svgSpace + `"`)
	}
	written := map[string]bool{}
	for _, a := range t.Attr {
		name := a.Name.Local
		if a.Name.Space != "" && (a.Name.Space != xlinkSpace || name != "href") || name == "xmlns" || !attributes[name] || written[name] {
			continue
		}
		var ok bool
		value := a.Value
		switch name {
		case "href":
			ok = strings.HasPrefix(value, "#")
		case "style":
			value = cleanStyle(value)
			ok = value != ""
		default:
			ok = harmless(value)
		}
		if !ok {
			continue
		}
		written[name] = true
		out.WriteString(" " + name + `="`)
		_ = xml.EscapeText(out, []byte(value))
		out.WriteByte('"')
	}
	out.WriteByte('>')
}

// cleanStyle keeps the declarations of properties that are attributes too, with values that fetch nothing.
func cleanStyle(style string) string {
	if strings.ContainsAny(style, `\@{}<`) || strings.Contains(style, "/*") {
		return ""
	}
	var kept []string
	for declaration := range strings.SplitSeq(style, ";") {
		name, value, ok := strings.Cut(declaration, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if ok && value != "" && attributes[name] && name != "style" && name != "href" && harmless(value) {
			kept = append(kept, name+":"+value)
		}
	}
	return strings.Join(kept, ";")
}

// harmless reports whether a value refers to nothing outside of the picture. The only functions with which one could are url,
// image and src; only url has a form that stays inside.
func harmless(value string) bool {
	if strings.ContainsRune(value, '\\') {
		return false
	}
	rest := strings.ToLower(value)
	if strings.Contains(rest, "javascript:") || strings.Contains(rest, "data:") || strings.Contains(rest, "image(") ||
		strings.Contains(rest, "image-set(") || strings.Contains(rest, "src(") || strings.Contains(rest, "/*") {
		return false
	}
	for {
		_, after, found := strings.Cut(rest, "url")
		if !found {
			return true
		}
		inside, ok := strings.CutPrefix(after, "(")
		if ok && !strings.HasPrefix(strings.TrimLeft(inside, " '\""), "#") || !ok && strings.HasPrefix(strings.TrimSpace(after), "(") {
			return false
		}
		rest = after
	}
}
