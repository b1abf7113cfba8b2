package faultproxy

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Row states what a fault between two programs does.
type Row struct {
	Fault Fault
	// Seen is what whoever asks sees, and By how long that takes at most; 0 = the time is up to who asks.
	Seen string
	By   time.Duration
	// Back is how long it takes at most until everything is as before, after the fault was lifted.
	Back time.Duration
	// Note is what else is to be known; may be empty.
	Note string
}

// Allowed is what a test grants for a time that is stated. That holds on a machine that does nothing else; where others work on it as
// well, GATEHOUSE_TEST_SLOWER says how many times as long it may take.
func Allowed(stated time.Duration) time.Duration {
	return times(os.Getenv("GATEHOUSE_TEST_SLOWER"), stated)
}

func times(slower string, stated time.Duration) time.Duration {
	factor, err := strconv.ParseFloat(slower, 64)
	if err != nil || factor < 1 {
		return stated
	}
	return time.Duration(float64(stated) * factor)
}

// Pair states what faults between two programs do.
type Pair struct {
	// Name is a heading, such as gateway → Redis.
	Name string
	// Meanwhile is what works on in all rows.
	Meanwhile string
	Rows      []Row
}

// String is the pair's section of a handbook, in Markdown.
func (p Pair) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "### %s\n\nMeanwhile: %s\n\n| fault | what is seen | as before, once it is lifted |\n| --- | --- | --- |\n", p.Name, p.Meanwhile)
	for _, r := range p.Rows {
		seen := r.Seen
		if r.By > 0 {
			seen += fmt.Sprintf(", within %s", plain(r.By))
		}
		if r.Note != "" {
			seen += ". " + r.Note
		}
		fmt.Fprintf(&text, "| %s | %s | within %s |\n", r.Fault, seen, plain(r.Back))
	}
	return text.String()
}

func plain(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// StatedIn compares the pair with its section in a file. With GATEHOUSE_UPDATE=1 in the environment it corrects the section.
func (p Pair) StatedIn(file string) error {
	content, err := os.ReadFile(file) //nolint:gosec // a test names it
	if err != nil {
		return err
	}
	text, want := string(content), p.String()
	begin := strings.Index(text, "### "+p.Name+"\n")
	if begin < 0 {
		return fmt.Errorf("%s has no section %q; it is\n%s", file, p.Name, want)
	}
	end := len(text)
	if next := strings.Index(text[begin+1:], "\n#"); next >= 0 {
		end = begin + 1 + next
	}
	if strings.TrimSpace(text[begin:end]) == strings.TrimSpace(want) {
		return nil
	}
	if os.Getenv("GATEHOUSE_UPDATE") == "1" {
		return os.WriteFile(file, []byte(text[:begin]+want+text[end:]), 0o644) //nolint:gosec // a document
	}
	return fmt.Errorf("section %q of %s is not what is tested (GATEHOUSE_UPDATE=1 corrects it):\n%s\nand not\n%s", p.Name, file, want, text[begin:end])
}
