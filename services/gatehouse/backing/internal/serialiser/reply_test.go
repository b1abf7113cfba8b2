package serialiser

import (
	"testing"

	"github.com/FerretDB/wire/wirebson"
	"github.com/google/go-cmp/cmp"
)

func TestAmend(t *testing.T) {
	violation := wirebson.MustDocument("ok", float64(0), "code", int32(1), "codeName", "InternalError",
		"errmsg", "[collection.go:177 UpdateAll] constraint failed: UNIQUE constraint failed: index 'my_apps_1a2b3c4d_by_name' (2067)")
	text := "E11000 duplicate key error collection: d.my_apps index: by_name"
	write := wirebson.MustDocument("n", int32(0), "nModified", int32(0),
		"writeErrors", wirebson.MustArray(wirebson.MustDocument("index", int32(0), "code", int32(11000), "errmsg", text)), "ok", float64(1))
	failure := wirebson.MustDocument("ok", float64(0), "errmsg", text, "code", int32(11000), "codeName", "DuplicateKey")
	other := wirebson.MustDocument("ok", float64(0), "code", int32(1), "codeName", "InternalError", "errmsg", "disk full")
	success := wirebson.MustDocument("n", int32(1), "errmsg", "UNIQUE constraint failed", "code", int32(1), "ok", float64(1))
	unnamed := wirebson.MustDocument("ok", float64(0), "code", int32(11000), "codeName", "Location11000", "errmsg", text)

	tests := []struct {
		name    string
		command string
		reply   *wirebson.Document
		want    *wirebson.Document
	}{
		{"a violation in an update is the error of its statement", "update", violation, write},
		{"a violation in a findAndModify is the error of the command", "findAndModify", violation, failure},
		{"a violation while an index is made is the error of the command", "createIndexes", violation, failure},
		{"the name of a duplicate key error is DuplicateKey", "findAndModify", unnamed, failure},
		{"another internal error stays what it is", "update", other, other},
		{"a success stays what it is", "update", success, success},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := command{id: 5, body: document(t, tt.command, "my_apps", "$db", "d")}
			reply, err := encodeReply(5, tt.reply)
			if err != nil {
				t.Fatal(err)
			}
			got := amend(c, reply)
			if got.responseTo() != 5 || got.opCode() != opMsg {
				t.Errorf("operation code %d to request %d", got.opCode(), got.responseTo())
			}
			if diff := cmp.Diff(printed(t, tt.want), contents(t, got)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnUnreadableAnswerIsPassedOn(t *testing.T) {
	c := command{body: document(t, "update", "c")}
	m := raw(1, opMsg, u32(0), []byte{0, 9, 0, 0, 0, 1, 2, 3, 0})
	if diff := cmp.Diff(m, amend(c, m)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func contents(t *testing.T, m message) string {
	t.Helper()
	c, err := parseCommand(m)
	if err != nil {
		t.Fatal(err)
	}
	return wirebson.LogMessageBlock(c.body)
}

func printed(t *testing.T, doc *wirebson.Document) string {
	t.Helper()
	raw, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return wirebson.LogMessageBlock(raw)
}
