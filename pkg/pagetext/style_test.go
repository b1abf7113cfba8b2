package pagetext

import "testing"

func TestStyleSheetsStandInTheHeadAndCarryTheNonce(t *testing.T) {
	for name, tt := range map[string]struct{ page, assets, nonce, want string }{
		"nothing to do":                 {"<p>a</p>", "", "", "<p>a</p>"},
		"at the end of the head":        {"<head><title>a</title></HEAD><p>", "p{}", "", "<head><title>a</title><style>p{}</style>\n</HEAD><p>"},
		"after the document type":       {"<!DOCTYPE html>\n<p>", "p{}", "", "<!DOCTYPE html>\n<style>p{}</style>\n<p>"},
		"before everything":             {"<p>", "p{}", "", "<style>p{}</style>\n<p>"},
		"that would end their element":  {"<p>", "</style><script>", "", `<style><\/style><script></style>` + "\n<p>"},
		"those of the page":             {`<style media="x">a{}</style><STYLE>b{}</STYLE>`, "", "N", `<style nonce="N" media="x">a{}</style><STYLE nonce="N">b{}</STYLE>`},
		"what only begins like one":     {"<styles><p>&lt;style&gt;", "", "N", "<styles><p>&lt;style&gt;"},
		"that of the assets, and a tag": {"<p>", "p{}", "N", `<style nonce="N">p{}</style>` + "\n<p>"},
	} {
		if got := Styled(tt.page, tt.assets, tt.nonce); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}
