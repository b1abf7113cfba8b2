package faultproxy_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
)

func TestAHandbookThatSaysSomethingElseIsFound(t *testing.T) {
	pair := faultproxy.Pair{Name: "here → there", Meanwhile: "all else.", Rows: []faultproxy.Row{
		{Fault: faultproxy.Cut, Seen: "503", By: 500 * time.Millisecond, Back: 2 * time.Second, Note: "Nothing is lost."},
		{Fault: faultproxy.SlowClose, Seen: "200", Back: time.Minute},
	}}
	const want = `### here → there

Meanwhile: all else.

| fault | what is seen | as before, once it is lifted |
| --- | --- | --- |
| cut | 503, within 500 ms. Nothing is lost. | within 2 s |
| slow close | 200 | within 60 s |
`
	if got := pair.String(); got != want {
		t.Errorf("%s", got)
	}
	file := filepath.Join(t.TempDir(), "handbook.md")
	for text, good := range map[string]bool{
		"# Faults\n\n" + want + "\n### else\n":                         true,
		"# Faults\n\n" + want:                                          true,
		"# Faults\n\n### here → there\n\nMeanwhile: nothing.\n\n# End": false,
		"# Faults\n": false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := pair.StatedIn(file); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.WriteFile(file, []byte("# Faults\n\n### here → there\n\nold\n\n## End\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEHOUSE_UPDATE", "1")
	if err := pair.StatedIn(file); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "# Faults\n\n"+want+"\n## End\n" {
		t.Errorf("%q, %v", got, err)
	}
}
