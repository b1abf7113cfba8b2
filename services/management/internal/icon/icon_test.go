package icon

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

func pngOf(t testing.TB, width int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheck(t *testing.T) {
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	webp := "RIFF\x0c\x00\x00\x00WEBPVP8 \x00\x00\x00\x00"
	const xmlns = ` xmlns="http://www.w3.org/2000/svg"`
	for _, tt := range []struct {
		name, content, mediaType, found string
	}{
		{"a PNG picture", string(pngOf(t, 2)), PNG, ""},
		{"a JPEG picture", jpg.String(), JPEG, ""},
		{"a WebP picture", webp, WebP, ""},
		{"an SVG picture", "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<svg" + xmlns + "/>", SVG, ""},
		{"nothing", "", "", "nothing was found"},
		{"a picture that is too large", strings.Repeat("x", MaxSize+1), "", "513 KiB were found"},
		{"a picture with too many pixels", string(pngOf(t, 5000)), "", "5000 × 1 pixels"},
		{"a PNG picture that ends early", string(pngOf(t, 2)[:12]), "", "cannot be read"},
		{"a WebP picture of another length", webp + "x", "", "cannot be read"},
		{"a GIF picture", "GIF89a", "", "a GIF picture was found"},
		{"a page", "<!doctype html><html></html>", "", "root is not one svg"},
		{"a page in the other namespace", `<html xmlns="http://www.w3.org/1999/xhtml"/>`, "", "root is not one svg"},
		{"an svg element of no namespace", "<svg/>", "", "root is not one svg"},
		{"two pictures", "<svg" + xmlns + "/><svg" + xmlns + "/>", "", "root is not one svg"},
		{"XML that does not parse", "<svg" + xmlns + "><g></svg>", "", "no well-formed XML"},
		{"entities", `<!DOCTYPE svg [<!ENTITY a "b">]><svg` + xmlns + ">&a;</svg>", "", "no well-formed XML"},
		{"another encoding", `<?xml version="1.0" encoding="utf-7"?><svg` + xmlns + "/>", "", "no well-formed XML"},
		{"repetition", "<svg" + xmlns + `><use href="#a"/></svg>`, "", "use is not allowed"},
		{"depth", "<svg" + xmlns + ">" + strings.Repeat("<g>", 32) + strings.Repeat("</g>", 32) + "</svg>", "", "nested deeper"},
		{"many elements", "<svg" + xmlns + ">" + strings.Repeat("<path/>", 4000) + "</svg>", "", "more than 4000 elements"},
		{"as many as there may be", "<svg" + xmlns + ">" + strings.Repeat("<path/>", 3999) + "</svg>", SVG, ""},
		{"long outlines", "<svg" + xmlns + ">" + strings.Repeat(`<path d="M0 0`+strings.Repeat("l1 1", 9000)+`"/><polygon points="`+strings.Repeat("1 2 ", 9000)+`"/>`, 4) + "</svg>",
			"", "more than 256 KiB of data"},
		{"much text", "<svg" + xmlns + "><text>" + strings.Repeat("word ", 4000) + "</text></svg>", "", "more than 16 KiB of text"},
		{"text", "hello", "", "something else"},
	} {
		p, err := Check([]byte(tt.content))
		switch {
		case tt.found == "":
			if err != nil || p.MediaType != tt.mediaType || len(p.Digest) != 64 {
				t.Errorf("%s: %v, %v", tt.name, p, err)
			}
		case err == nil || !strings.Contains(err.Error(), tt.found) || !strings.Contains(err.Error(), allowed) || fault.BodyOf(err).Errors[0].Path != "icon":
			t.Errorf("%s: %v, want %q", tt.name, err, tt.found)
		}
	}
}

func TestSVGLosesScriptsAndForeignReferences(t *testing.T) {
	const head = `<svg xmlns="http://www.w3.org/2000/svg"`
	for _, tt := range []struct{ name, in, want string }{
		{"what draws stays", `<path d="M0 0" fill="url(#a)"/>`, `<path d="M0 0" fill="url(#a)"></path>`},
		{"text stays text", `<text>a &lt;b&gt;</text>`, `<text>a &lt;b&gt;</text>`},
		{"scripts go", `<script>alert(1)</script><script href="x"/>`, ``},
		{"with what is in them", `<foreignObject><path d="M"/><b xmlns="http://www.w3.org/1999/xhtml">x</b></foreignObject>`, ``},
		{"handlers go", `<path onload="alert(1)" ONCLICK="x" d="M"/>`, `<path d="M"></path>`},
		{"pictures and links go", `<image href="https://x.example/"/><a href="javascript:x"><path/></a>`, ``},
		{"animations go", `<set attributeName="href" to="javascript:x"/><animate/>`, ``},
		{"style sheets go", `<style>@import url(https://x.example/)</style>`, ``},
		{"references outside go", `<linearGradient href="https://x.example/#a"/><path fill="url(https://x.example/)"/>`, `<linearGradient></linearGradient><path></path>`},
		{"references inside stay", `<linearGradient xmlns:l="http://www.w3.org/1999/xlink" l:href="#a"/>`, `<linearGradient href="#a"></linearGradient>`},
		{"styles lose what fetches", `<path style="fill:red; background:url(x); stroke:url( 'https://x' );STROKE-width:2"/>`, `<path style="fill:red;stroke-width:2"></path>`},
		{"and all of it where it is escaped", `<path style="fill:u\72l(x)"/>`, `<path></path>`},
		{"other namespaces go", `<x:path xmlns:x="urn:x" d="M"/><path xmlns:x="urn:x" x:d="M"/>`, `<path></path>`},
		{"masks go", `<mask id="m"><rect width="9"/></mask><g mask="url(#m)" style="mask:url(#m);fill:red"><path d="M"/></g>`,
			`<g style="fill:red"><path d="M"></path></g>`},
		{"clipping paths go", `<clipPath id="c"><rect width="9"/></clipPath><g clip-path="url(#c)" style="clip-path:url(#c)"><path d="M"/></g>`,
			`<g><path d="M"></path></g>`},
		{"filters go", `<filter id="f"><feGaussianBlur stdDeviation="99"/></filter><g filter="url(#f)" style="filter:url(#f)"/>`, `<g></g>`},
		{"patterns and markers go", `<pattern id="p"><rect fill="url(#q)"/></pattern><marker id="k"/><path marker-mid="url(#k)" d="M"/>`, `<path d="M"></path>`},
		{"dashes go", `<path stroke="red" stroke-dasharray="0.0001" style="stroke-dasharray:0.0001" d="M"/>`, `<path stroke="red" d="M"></path>`},
		{"gradients stay", `<radialGradient id="a" r="1"><stop offset="0" stop-color="red"/></radialGradient><circle r="1" fill="url(#a)"/>`,
			`<radialGradient id="a" r="1"><stop offset="0" stop-color="red"></stop></radialGradient><circle r="1" fill="url(#a)"></circle>`},
		{"comments and instructions go", `<!-- x --><?php x?>`, ``},
	} {
		p, err := Check([]byte(head + ">" + tt.in + "</svg>"))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := head + ">" + tt.want + "</svg>"; string(p.Content) != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, p.Content, want)
		}
	}
}

func FuzzSVG(f *testing.F) {
	f.Add(`<svg xmlns="http://www.w3.org/2000/svg"><path style="fill:url(#a)" onload="x"/><script>x</script></svg>`)
	f.Add(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink"><linearGradient x:href="#a"/></svg>`)
	f.Fuzz(func(t *testing.T, content string) {
		p, err := Check([]byte(content))
		if err != nil || p.MediaType != SVG {
			return
		}
		lower := strings.ToLower(string(p.Content))
		for _, bad := range []string{"<script", "<use", "<style", "<image", "<a ", "<a>", "<foreignobject", "<!", "<?", "<set", "<animate", "<mask", "<clippath",
			"<filter", "<pattern", "<marker"} {
			if strings.Contains(lower, bad) {
				t.Errorf("%q became %q", content, p.Content)
			}
		}
		again, err := Check(p.Content)
		if err != nil || !bytes.Equal(again.Content, p.Content) {
			t.Errorf("%q is cleaned again to %v, %v", p.Content, again, err)
		}
	})
}
