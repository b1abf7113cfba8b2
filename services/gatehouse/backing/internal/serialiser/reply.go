package serialiser

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/FerretDB/wire/wirebson"
)

// Error codes of the MongoDB protocol.
const (
	codeInternalError int32 = 1
	codeDuplicateKey  int32 = 11000
)

// violationText is how SQLite reports a uniqueness violation.
const violationText = "UNIQUE constraint failed"

// violatedIndex finds the index in SQLite's report. FerretDB names it <table>_<index>, and the table
// <collection>_<eight hexadecimal digits>.
var violatedIndex = regexp.MustCompile(`index '(?:.*_[0-9a-f]{8}_)?([^']*)'`)

// amend puts FerretDB's answer to a write into the form that MongoDB gives it. What needs no change, and what it cannot
// read, it returns as it is.
func amend(c command, reply message) message {
	doc, err := replyDocument(reply)
	if err != nil || succeeded(doc) {
		return reply
	}
	text, _ := doc.Get("errmsg").(string)
	code, _ := doc.Get("code").(int32)
	violation := code == codeInternalError && strings.Contains(text, violationText)
	if !violation && code != codeDuplicateKey {
		return reply
	}
	if violation {
		text = duplicateText(c, text)
	}

	amended := duplicateCommand(text)
	if c.name() == "update" {
		amended = duplicateStatement(text)
	}
	m, err := encodeReply(reply.responseTo(), amended)
	if err != nil {
		return reply
	}
	return m
}

// duplicateCommand is the failure of a whole command.
func duplicateCommand(text string) *wirebson.Document {
	return wirebson.MustDocument("ok", float64(0), "errmsg", text, "code", codeDuplicateKey, "codeName", "DuplicateKey")
}

// duplicateStatement is the failure of the only statement of an update command: the command as such succeeds.
func duplicateStatement(text string) *wirebson.Document {
	failure := wirebson.MustDocument("index", int32(0), "code", codeDuplicateKey, "errmsg", text)
	return wirebson.MustDocument(
		"n", int32(0), "nModified", int32(0), "writeErrors", wirebson.MustArray(failure), "ok", float64(1),
	)
}

// duplicateText words a violation as MongoDB does, without the offending values: SQLite does not tell them.
func duplicateText(c command, report string) string {
	text := "E11000 duplicate key error"
	if body, err := c.body.Decode(); err == nil {
		database, _ := body.Get("$db").(string)
		collection, _ := body.Get(c.name()).(string)
		text += fmt.Sprintf(" collection: %s.%s", database, collection)
	}
	if found := violatedIndex.FindStringSubmatch(report); found != nil {
		text += " index: " + found[1]
	}
	return text
}

// replyDocument is the document of an OP_MSG answer, with nested documents left raw.
func replyDocument(m message) (*wirebson.Document, error) {
	c, err := parseCommand(m)
	if err != nil {
		return nil, err
	}
	return c.body.Decode()
}

func succeeded(doc *wirebson.Document) bool {
	switch ok := doc.Get("ok").(type) {
	case float64:
		return ok == 1
	case int32:
		return ok == 1
	case int64:
		return ok == 1
	case bool:
		return ok
	default:
		return false
	}
}
